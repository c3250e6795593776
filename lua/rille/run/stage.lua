-- A stage of a recipe: its fields checked, and when it is over. Config only; what changes while a stage runs
-- is in the run's state.
local kinds = require "rille.run.kinds"
local nearest = require "rille.util.check".nearest
local paths = require "rille.run.paths"
local turn = require "rille.run.turn"

local stage = {}

local PLACES = { "name", "trains", "losses", "gate", "optimiser", "ends" }
stage.FIELDS = { "accumulate", "augment", "batch", "clip", "ema", "ends", "frozen_norms", "gate", "losses",
  "name", "optimiser", "select", "trains", "turns", "watch" }

local function fail(where, text) error(where .. ": " .. text, 0) end

local function check_ends(where, ends)
  if type(ends) == "number" then ends = { epochs = ends } end
  if type(ends) ~= "table" or next(ends) == nil then
    fail(where .. ".ends", "is missing; write { epochs = 10 }, { steps = 100 } or { plateau = 5 }")
  end
  for key, n in pairs(ends) do
    if key ~= "epochs" and key ~= "steps" and key ~= "plateau" then
      fail(where .. ".ends", paths.missing(tostring(key), { "epochs", "steps", "plateau" }))
    end
    if not math.tointeger(n) or n < 1 then
      fail(where .. ".ends." .. key, ("is %s; it is a whole number from 1 on"):format(tostring(n)))
    end
  end
  return paths.copy(ends)
end

-- By what the best weights are chosen: a loss of the recipe, or a figure that the stage watches. "last": not
-- at all.
local function check_select(where, s, losses)
  if s.select == nil then return "val loss" end
  if s.select == "last" then return "last" end
  local what = type(s.select) == "string" and s.select:match("^val ([%w_]+)$")
  local known = { "loss" }
  for name in pairs(losses) do known[#known + 1] = name end
  table.sort(known)
  table.move(kinds.names(s.watch or {}), 1, 99, #known + 1, known)
  if not what then
    fail(where .. ".select", 'must be "last", or "val NAME" with the name of a loss or of a watched figure: '
      .. table.concat(known, ", "))
  end
  for _, name in ipairs(known) do
    if name == what then return s.select end
  end
  local of = kinds.giver(what)
  if of then
    fail(where .. ".select", ('"%s" is not watched; write watch = { %s = "name of an output" }'):format(what,
      of))
  end
  return fail(where .. ".select", paths.missing(what, known))
end

local function check_watch(where, s)
  if s.watch == nil then return end
  local ok, why = pcall(kinds.check, where .. ".watch", s.watch)
  if not ok then error(why, 0) end
  for _, t in ipairs(stage.turns(s)) do
    for _, name in ipairs(kinds.names(s.watch)) do
      if t.losses[name] then
        fail(("%s.losses.%s"):format(turn.where(t), name),
          ('is also what a watched figure is called; call the loss "%s_loss"'):format(name))
      end
    end
  end
end

-- The fields of a stage or of a turn by name; PLACES say what stands at 1, 2, ...
local function named(where, raw, places, fields)
  local out, is_field = {}, {}
  for _, name in ipairs(fields) do is_field[name] = true end
  for k, v in pairs(raw) do
    local name = places[k] or k
    if not is_field[name] then
      local near = type(name) == "string" and nearest(name, fields)
      fail(where, ('has an unknown field "%s"%s'):format(tostring(name),
        near and (', did you mean "%s"?'):format(near) or ""))
    end
    if out[name] ~= nil then
      fail(where, ('gives "%s" twice, by place and by name; keep one'):format(name))
    end
    out[name] = paths.copy(v)
  end
  return out
end

local function check_name(where, name)
  if type(name) ~= "string" or not name:match("^[%w_%-]+$") then
    fail(where, "needs a name of letters, digits, _ and - in its first place")
  end
end

local function named_turns(where, raw)
  if type(raw) ~= "table" or #raw == 0 then fail(where, "must be a list with at least one turn") end
  local out, seen = {}, {}
  for k, one in ipairs(raw) do
    local place = ("%s.%d"):format(where, k)
    if type(one) ~= "table" then fail(place, "must be a table") end
    out[k] = named(place, one, turn.PLACES, turn.FIELDS)
    check_name(place, out[k].name)
    if seen[out[k].name] then fail(place, "has the name of another turn; give each its own") end
    seen[out[k].name] = true
  end
  return out
end

---A stage of a recipe with its fields by name.
---
---Raises: "stages.NAME.FIELD: what; cure".
---@param raw table as the recipe has it
---@param k integer its place
---@param losses table<string, function> those of the recipe
---@return table
function stage.read(raw, k, losses)
  if type(raw) ~= "table" then fail(("stages.%d"):format(k), "must be a table") end
  local where = ("stages.%s"):format(raw.name or raw[1] or k)
  local s = named(where, raw, PLACES, stage.FIELDS)
  check_name(("stages.%d"):format(k), s.name)
  if s.turns ~= nil then s.turns = named_turns(where .. ".turns", s.turns) end
  return stage.check(s, losses)
end

local function check_turns(where, s, losses)
  for _, field in ipairs(turn.FIELDS) do
    if field ~= "name" and s[field] ~= nil then
      fail(("%s.%s"):format(where, field), "stands in each of the turns, where a stage has them")
    end
  end
  for _, t in ipairs(s.turns) do
    t.of = s.name
    turn.check(t, losses)
  end
end

local function is_whole(v) return math.tointeger(v) ~= nil and v >= 1 end

---Check and complete a stage whose fields are named; also after a field was set.
---@param s table changed: shorthands are written out
---@param losses table<string, function>
---@return table s
function stage.check(s, losses)
  local where = "stages." .. s.name
  if s.turns then check_turns(where, s, losses) else turn.check(s, losses) end
  s.ends = check_ends(where, s.ends)
  check_watch(where, s)
  s.select = check_select(where, s, losses)
  if s.select == "last" and s.ends.plateau then
    fail(where .. ".ends.plateau", 'waits for what is selected by to gain, and select = "last" measures '
      .. 'nothing; write epochs or steps, or select = "val loss"')
  end
  for _, field in ipairs { "batch", "accumulate" } do
    if s[field] ~= nil and not is_whole(s[field]) then
      fail(("%s.%s"):format(where, field), "is a whole number from 1 on")
    end
  end
  if s.ema ~= nil and (type(s.ema) ~= "number" or s.ema <= 0 or s.ema >= 1) then
    fail(where .. ".ema", "is the share of the average that a step keeps, between 0 and 1, as 0.999")
  end
  if s.frozen_norms ~= nil and s.frozen_norms ~= "fixed" and s.frozen_norms ~= "moving" then
    fail(where .. ".frozen_norms", 'is "fixed" (statistics of frozen batch norms stay) or "moving"')
  end
  return s
end

---What a step of the stage takes in order: its turns, or the stage itself.
---@param s table
---@return table[]
function stage.turns(s) return s.turns or { s } end

---All stages of a recipe.
---@param raw any
---@param losses table
---@return table[] stages also by name
function stage.read_all(raw, losses)
  if type(raw) ~= "table" or #raw == 0 then fail("stages", "must be a list with at least one stage") end
  local out, names = {}, {}
  for k, one in ipairs(raw) do
    local s = stage.read(one, k, losses)
    if names[s.name] then fail("stages." .. s.name, "stands there twice; give each stage its own name") end
    names[s.name] = true
    out[k] = s
  end
  return out
end

---@param list table[] stages or turns
---@param name string
---@return table? stage, integer? place
function stage.find(list, name)
  for k, s in ipairs(list) do
    if s.name == name then return s, k end
  end
end

---What a stage's gates or optimisers are called in logs: "Adam", or "judge Adam, draw Adam".
---@param s table
---@param field "gate"|"optimiser"
---@return string
function stage.choices(s, field)
  if not s.turns then return turn.choice_name(s[field]) end
  local out = {}
  for k, t in ipairs(s.turns) do out[k] = t.name .. " " .. turn.choice_name(t[field]) end
  return table.concat(out, ", ")
end

---Does the stage end here?
---@param s table
---@param state table step, epoch (finished ones), since_best
---@return string? reason
function stage.is_over(s, state)
  local e = s.ends
  if e.steps and state.step >= e.steps then return e.steps .. " steps" end
  if e.epochs and state.epoch >= e.epochs then return e.epochs .. " epochs" end
  if e.plateau and state.since_best >= e.plateau then
    return ("no gain in %d epochs"):format(state.since_best)
  end
end

return stage
