-- Validation after an epoch: losses and watched metrics on the validation split, without gradients, in
-- evaluation mode; and the best weights so far.
local build = require "rille.run.build"
local checkpoint = require "rille.run.checkpoint"
local core = require "rille.core"
local scores = require "rille.run.scores"
local stage = require "rille.run.stage"
local step = require "rille.run.step"

local validate = {}

local HIGHER_IS_BETTER = { auc = true, accuracy = true, cc = true, hs = true }

---Losses and metrics as a line.
---@param t table<string, number>
---@return string
function validate.text(t)
  local out = {}
  for k, name in ipairs(build.sorted_names(t)) do out[k] = ("%s %.4g"):format(name, t[name]) end
  return table.concat(out, " ")
end

local function measure(run)
  local sums, n, gather = {}, 0, scores.gather(run.stage.watch or {}, run.feed)
  for batch in run.feed:fixed("val", run.batch_size) do
    local y = step.outputs(run, batch)
    local count = batch.image.shape[1]
    for _, name in ipairs(run.loss_names) do
      local t = run.recipe.table.losses[name](y, batch, run.models, run.options)
      sums[name] = (sums[name] or 0) + t:item() * count
    end
    gather:take(y, batch)
    n = n + count
  end
  local weights, out = stage.at(run.stage, math.max(1, run.state.step), run.state), { loss = 0 }
  for _, name in ipairs(run.loss_names) do
    out[name] = sums[name] / n
    out.loss = out.loss + weights[name] * out[name]
  end
  for name, v in pairs(gather:summary()) do out[name] = v end
  return out
end

local function is_better(key, value, best)
  if value == nil or value ~= value then return false end
  if best == nil then return true end
  if HIGHER_IS_BETTER[key] then return value > best end
  return value < best
end

---Validate, and keep the weights when they are the best of their stage.
---@param run table
---@return boolean is_best, table<string, number>? val nil without a validation split
function validate.epoch(run)
  local p = run.position
  if (run.feed.counts.val or 0) == 0 then return false, nil end
  run.progress:note(("%s: validating on %d images"):format(run.stage.name, run.feed.counts.val))
  local random = core.random_state()
  build.eval(run.models)
  local ok, val = pcall(core.no_grad, measure, run)
  build.modes(run.models)
  core.random_state(random)
  if not ok then error(val, 0) end
  local key = run.stage.select:match("^val (.*)$")
  if not is_better(key, val[key], p.best and p.best.metric) then
    run.state.since_best = run.state.since_best + 1
    return false, val
  end
  local file = ("best-%d-%d.safetensors"):format(p.stage, p.epoch)
  require "rille.util.files".make_folder(checkpoint.folder(run.dir))
  local saved, why = checkpoint.save_weights(checkpoint.folder(run.dir) .. "/" .. file, run.models)
  if not saved then error(("checkpoint: %s; free space and resume"):format(why), 0) end
  p.best = { metric = val[key], epoch = p.epoch, file = file }
  run.state.best, run.state.since_best = val[key], 0
  return true, val
end

return validate
