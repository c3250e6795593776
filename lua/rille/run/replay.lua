-- A run repeated from its journal: the changes made by hand come again, at the steps they were made at, or
-- with some of them left out or moved. Chunks are run whole, in the prompt's environment, with its random
-- stream; so a replay without edits ends with the very same weights.
local files = require "rille.util.files"
local Journal = require "rille.run.journal"
local json = require "rille.util.json"

local replay = {}

---The changes of a run, in order: chunks typed at its prompt and versions of its recipe's file. `session` is
---the same for chunks typed at one opening of the prompt: they share its globals.
---@param dir string
---@return { number: integer, session: integer, step: integer, kind: "chunk"|"reload", text: string }[]
function replay.changes(dir)
  local entries, _, is_whole = Journal.read(dir .. "/journal.jsonl")
  if not is_whole then
    error(('replay: "%s/journal.jsonl" is damaged behind entry %d; put it back'):format(dir, #entries), 0)
  end
  local out, session, before = {}, 0, nil
  for _, e in ipairs(entries) do
    if e.kind == "chunk" or e.kind == "reload" then
      if not before or before.kind ~= e.kind or before.step ~= e.step or e.kind == "reload" then
        session = session + 1
      end
      out[#out + 1] = { number = #out + 1, session = session, step = e.step, kind = e.kind, text = e.text,
        outside = e.outside }
      before = e
    end
  end
  return out
end

---Leave changes out and move others: by number, as replay.text shows them.
---
---Raises: when there is no change of that number, or it would come before the first step.
---@param changes table[]
---@param drop integer[]
---@param shift table<integer, integer> number -> steps later (negative: earlier)
---@return table[] in the order of their steps
function replay.edit(changes, drop, shift)
  local gone, out = {}, {}
  local function check(k)
    if not changes[k] then
      error(("replay: there is no change %d; the run has %d"):format(k, #changes), 0)
    end
  end
  for _, k in ipairs(drop) do
    check(k)
    gone[k] = true
  end
  for k in pairs(shift) do check(k) end
  for k, c in ipairs(changes) do
    if not gone[k] then
      local step = c.step + (shift[k] or 0)
      if step < 1 then
        local text = "replay: change %d of step %d cannot be moved by %d; the first place is behind step 1"
        error(text:format(k, c.step, shift[k]), 0)
      end
      out[#out + 1] = { number = c.number, session = c.session, step = step, kind = c.kind, text = c.text,
        outside = c.outside }
    end
  end
  table.sort(out, function(a, b)
    if a.step ~= b.step then return a.step < b.step end
    return a.number < b.number
  end)
  return out
end

---One line per change.
---@param c table
---@return string
function replay.text(c)
  local first = c.kind == "reload" and "the recipe's file changed" or c.text:match "^%s*([^\n]*)"
  local text = " (it reads from outside the run: %s; the replay may differ)"
  local note = c.outside and text:format(c.outside) or ""
  return ("change %d, behind step %d: %s%s"):format(c.number, c.step, first, note)
end

---The plan of a run, kept in its folder so that a replay can be stopped and resumed as well.
---@param dir string
---@param queue table[]
function replay.write(dir, queue) files.write(dir .. "/replay.json", json.encode(queue) .. "\n") end

---@param dir string
---@return table[]? queue nil where the run is no replay
function replay.read(dir)
  local text = files.read(dir .. "/replay.json")
  return text and json.decode(text) or nil
end

---Whether changes of a replay are still to come.
---@param run table
---@return boolean
function replay.is_open(run)
  return run.replay ~= nil and run.replay[(run.position.replayed or 0) + 1] ~= nil
end

---The changes that are due here, taken off the queue. The prompt and the file have their own places between
---two steps; the prompt's also takes what an earlier step left.
---@param run table
---@param kind "chunk"|"reload"
---@return fun(): table? iterator
function replay.due(run, kind)
  return function()
    local place = (run.position.replayed or 0) + 1
    local c, step = run.replay and run.replay[place], run.position.run_step
    if not c or c.step > step then return nil end
    if c.kind ~= kind and (kind == "reload" or c.step == step) then return nil end
    run.position.replayed = place
    return c
  end
end

-- What a chunk may reach beyond the run: found by name in its text, so a warning too many is possible, one
-- too few for names that are built up at run time.
local OUTSIDE = { "%f[%w_]io%.%w+", "%f[%w_]os%.%w+", "%f[%w_]dofile%f[^%w_]", "%f[%w_]loadfile%f[^%w_]",
  "rl%.data%.%w+", "rl%.clock%f[^%w_]" }

---Names in a chunk's text that reach files or clocks; nil when there are none.
---@param text string
---@return string?
function replay.outside(text)
  local found = {}
  for _, pattern in ipairs(OUTSIDE) do
    for name in text:gmatch(pattern) do found[#found + 1] = name end
  end
  return #found > 0 and table.concat(found, ", ") or nil
end

return replay
