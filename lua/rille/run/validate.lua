-- Validation after an epoch: losses and watched metrics on the validation split, without gradients, in
-- evaluation mode; and the best weights so far.
local average = require "rille.run.average"
local build = require "rille.run.build"
local checkpoint = require "rille.run.checkpoint"
local core = require "rille.core"
local files = require "rille.util.files"
local kinds = require "rille.run.kinds"
local scores = require "rille.run.scores"
local step = require "rille.run.step"
local turn = require "rille.run.turn"

local validate = {}

---Losses and metrics as a line.
---@param t table<string, number>
---@return string
function validate.text(t)
  local out = {}
  for k, name in ipairs(build.sorted_names(t)) do out[k] = ("%s %.4g"):format(name, t[name]) end
  return table.concat(out, " ")
end

-- Losses of the stage's last turn, and what is watched.
local function measure(run)
  local last, s = run.parts[#run.parts], run.stage
  local sums, n, gather = {}, 0, scores.gather(s.watch or {}, run.feed, s.select == "val hd95")
  for batch in run.feed:fixed("val", run.batch_size) do
    local y = step.outputs(run, batch)
    local count = batch.image.shape[1]
    for _, name in ipairs(last.loss_names) do
      local t = run.recipe.table.losses[name](y, batch, run.models, run.options)
      sums[name] = (sums[name] or 0) + t:item() * count
    end
    gather:take(y, batch)
    n = n + count
  end
  -- the rate is not asked for: a plateau would count this epoch before its best value is known
  local weights, out = turn.weights(last.turn, math.max(1, run.state.step), run.state), { loss = 0 }
  for _, name in ipairs(last.loss_names) do
    out[name] = sums[name] / n
    out.loss = out.loss + weights[name] * out[name]
  end
  for name, v in pairs(gather:summary()) do out[name] = v end
  return out
end

local function is_better(key, value, best)
  if value == nil or value ~= value then return false end
  if best == nil then return true end
  if kinds.is_higher_better(key) then return value > best end
  return value < best
end

---Write the best weights that are not on the disk yet.
---@param run table
---@return boolean ok, string? why
function validate.put_best(run)
  local best = run.unsaved_best
  if not best then return true end
  local ok, why = core.io.save_safetensors(best.path, best.tensors)
  if ok then run.unsaved_best = nil end
  return ok == true, why
end

-- The weights of this epoch are the best so far: they are kept in memory until the disk takes them.
local function keep_best(run, value)
  local p, tensors = run.position, {}
  local file = ("best-%d-%d.safetensors"):format(p.stage, p.epoch)
  for name, t in pairs(checkpoint.weights(run.models)) do tensors[name] = t end
  run.unsaved_best = { path = checkpoint.folder(run.dir) .. "/" .. file, tensors = tensors }
  files.make_folder(checkpoint.folder(run.dir))
  local ok, why = validate.put_best(run)
  if not ok then
    for name, t in pairs(tensors) do tensors[name] = t:detach():clone() end
    run.log:warn(("checkpoint: %s; the best weights wait in memory"):format(why), p.run_step)
  end
  p.best = { metric = value, epoch = p.epoch, file = file,
    seconds = run.seconds + core.clock() - run.clock }
  run.state.best, run.state.since_best = value, 0
end

local function measured(run)
  local random = core.random_state()
  build.eval(run.models)
  local ok, val = pcall(core.no_grad, measure, run)
  build.modes(run.models, run.stage.frozen_norms == "moving")
  core.random_state(random)
  if not ok then error(val, 0) end
  return val
end

---Validate, and keep the weights when they are the best of their stage; with `ema` the averaged ones.
---@param run table
---@return boolean is_best, table<string, number>? val nil without a validation split
function validate.epoch(run)
  if (run.feed.counts.val or 0) == 0 then return false, nil end
  run.progress:note(("%s: validating on %d images"):format(run.stage.name, run.feed.counts.val))
  return average.within(run, function()
    local val, best = measured(run), run.position.best
    local key = run.stage.select:match("^val (.*)$")
    if key and is_better(key, val[key], best and best.metric) then
      keep_best(run, val[key])
      return true, val
    end
    run.state.since_best = run.state.since_best + 1
    return false, val
  end)
end

return validate
