-- One step of a workload, as the runner does it.
local build = require "rille.run.build"
local core = require "rille.core"
local parts = require "rille.run.parts"
local Recipe = require "rille.run.recipe"
local step = require "rille.run.step"

local steps = {}

-- A run of a recipe's only stage, without a folder.
local function run_of(R)
  local recipe = Recipe.resolve({ table = R, file = "bench", text = "" }, {})
  local run = { recipe = recipe, options = recipe.options, stages = recipe.stages,
    models = build.models(recipe, recipe.options, 1),
    position = { run_step = 0 }, state = { step = 0, options = recipe.options } }
  parts.enter(run, recipe.stages[1])
  return run
end

-- Forward alone, in evaluation mode.
local function inference(run, w)
  build.eval(run.models)
  local _, loss = next(w.recipe.losses)
  return function()
    local y = core.no_grad(step.outputs, run, w.batch)
    return function() return loss(y, w.batch):item() end
  end
end

---Make a workload ready.
---@param w table as workloads.NAME(o) gives it; gets models, and step where it has none
---@return table w step() -> the loss, a function that works it out, or nil
function steps.prepare(w)
  if w.step then return w end
  local run = run_of(w.recipe)
  w.models = run.models
  if w.infer then
    w.step = inference(run, w)
  else
    w.step = function()
      local result = step.train(run, { w.batch })
      run.state.step = run.state.step + 1
      return result.total
    end
  end
  return w
end

---What a step returned, as a number; nil where it has no loss.
function steps.loss(l)
  if type(l) == "function" then return l() end
  return l
end

return steps
