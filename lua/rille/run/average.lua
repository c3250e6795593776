-- The moving average of a stage's weights (its field `ema`): what is validated, chosen by and kept instead of
-- the weights themselves, which go on training. Average: Polyak and Juditsky 1992, in its exponential form;
-- over the first steps it forgets faster, d = min(ema, (1 + t)/(10 + t)) with t steps made.
local build = require "rille.run.build"
local core = require "rille.core"

local average = {}

-- What is averaged: all that is trained, and the buffers of floating point (running statistics).
local function moving(run)
  local out, is_trained = {}, {}
  for _, p in ipairs(run.parts) do
    for _, path in ipairs(p.param_paths) do is_trained[path] = true end
  end
  for _, name in ipairs(build.sorted_names(run.models)) do
    for _, s in ipairs(run.models[name]:named_state()) do
      local path = name .. "." .. s.name
      local is_buffer = s.kind == "buffer" and (s.tensor.dtype == "f32" or s.tensor.dtype == "f64")
      if is_trained[path] or is_buffer then out[path] = s.tensor end
    end
  end
  return out
end

---Begin: the average is the weights as they are; what has one already keeps it.
---@param run table gets averages, by path, where the stage has `ema`
---@param given? table<string, rille.Tensor> of a checkpoint
function average.begin(run, given)
  local before = given or {}
  run.averages, run.averaged = nil, nil
  if not run.stage.ema then return end
  run.averages, run.averaged = {}, moving(run)
  for path, t in pairs(run.averaged) do run.averages[path] = (before[path] or t):detach():clone() end
end

---Take the weights of a step in.
---@param run table
function average.step(run)
  if not run.averages then return end
  local t = run.state.step
  local d = math.min(run.stage.ema, (1 + t) / (10 + t))
  core.no_grad(function()
    for path, w in pairs(run.averaged) do
      local a = run.averages[path]
      a:add_((w - a) * (1 - d))
    end
  end)
end

local function put(run, from)
  core.no_grad(function()
    for path, t in pairs(run.averaged) do t:copy_(from[path]) end
  end)
end

---Put the averages into the models for good: the end of a stage.
---@param run table
function average.settle(run)
  if run.averages then put(run, run.averages) end
end

---Run f() with the averages in the models, and put the weights back.
---@param run table
---@param f function
---@return any ... what f gives
function average.within(run, f)
  if not run.averages then return f() end
  local kept = {}
  for path, t in pairs(run.averaged) do kept[path] = t:detach():clone() end
  put(run, run.averages)
  local out = table.pack(pcall(f))
  put(run, kept)
  if not out[1] then error(out[2], 0) end
  return table.unpack(out, 2, out.n)
end

return average
