-- Where the first value that is not finite came from: the step is computed again, from the buffers and the
-- random state it began with, and every result is read.
local core = require "rille.core"
local check = require "rille.util.check"

local nonfinite = {}

---The first names of a list.
---@param list string[]
---@param most integer
---@return string
function nonfinite.some(list, most)
  local shown = table.concat(list, ", ", 1, math.min(#list, most))
  return #list > most and ("%s and %d more"):format(shown, #list - most) or shown
end

---Run f() and watch every result of its ops, forward and back.
---@param f fun()
---@return table? find op, path, back, given, which, shape, place, value; nil when all is finite
function nonfinite.watch(f)
  core.finite_start()
  pcall(f)
  return core.finite_stop()
end

---What was found, as a sentence: the layer's path, the op, the value's place (from 1).
---@param find table
---@param files string[] of the batch
---@return string
function nonfinite.text(find, files)
  local what = find.back and ("going back, its gradient of input %d"):format(find.which)
    or find.which > 1 and ("its output %d"):format(find.which) or "its output"
  local text = ("%s%s: %s, %s, is %s"):format(find.path ~= "" and find.path .. ": " or "", find.op, what,
    check.shape_text(find.shape), tostring(find.value))
  if #find.place > 0 then text = ("%s at [%s]"):format(text, table.concat(find.place, ", ")) end
  if find.shape[1] == #files and #files > 1 then text = text .. (", of %s"):format(files[find.place[1]]) end
  if find.given then text = text .. "; what it was given was not finite already" end
  return text
end

---Parameters whose gradients are not finite.
---@param grads rille.Tensor[]
---@param paths string[]
---@return string[]
function nonfinite.paths(grads, paths)
  local out = {}
  for i, g in ipairs(grads) do
    local norm = core.list_norm { g }
    if norm - norm ~= 0 then out[#out + 1] = paths[i] end
  end
  return out
end

---The error of a step whose loss or gradient is not finite.
---@param run table
---@param what string 'loss "ce" is nan'
---@param batches table[]
---@param find? table of nonfinite.watch
function nonfinite.raise(run, what, batches, find)
  local files = {}
  for _, b in ipairs(batches) do
    for _, file in ipairs(b.file or {}) do files[#files + 1] = file end
  end
  local text = ('%s at step %d, stage "%s"'):format(what, run.position.run_step + 1, run.stage.name)
  text = text .. "; it began at " .. (find and nonfinite.text(find, files) or "no op of the models")
  error(("%s; files of the batch: %s"):format(text, nonfinite.some(files, 6)), 0)
end

---The norm of each parameter's gradient, for the log.
---@param grads rille.Tensor[]
---@param paths string[]
---@return table<string, number>
function nonfinite.norms(grads, paths)
  local out = {}
  for i, g in ipairs(grads) do out[paths[i]] = core.list_norm { g } end
  return out
end

return nonfinite
