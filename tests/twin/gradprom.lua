-- Every strategy of the recipe gradprom at `tiny`, by the runner's own step function: ten f64 steps a stage.
-- As a script: rille tests/twin/gradprom.lua DIR writes the start weights and the batches there, for
-- gradprom.py.
-- As a module: cases, losses(case, folder) -> { stage = numbers }, and the data meant.
local rl = require "rille"
local trial = require "rille.run.trial"
local steps = dofile(debug.getinfo(1, "S").source:match "^@(.*)/" .. "/steps.lua")

local DATA = { train = 16, val = 4, test = 4, size = 48, seed = 5 }
local CASES = { -- name, which stages (all; or the last, from the start weights), options
  { "staged", "all", "strategy=hard" },
  { "degraded", "all", "strategy=benchmark_degraded", "task=classify" },
  { "half", "all", "strategy=warm_up", "degradation=half", "fidelity=l1" },
  { "none", "last", "strategy=none" }, { "joint", "last", "strategy=joint" },
  { "frozen", "last", "strategy=frozen" }, { "literal", "last", "strategy=frozen_literal" },
  { "hard", "last", "strategy=hard", "task=classify", "lambda=0.3" },
  { "soft", "last", "strategy=soft", "task=classify", "lambda=1" },
  { "fixed", "last", "strategy=hard", "phi=fixed", "lambda=0.3" },
  { "unsupervised", "last", "strategy=soft", "supervised=false" },
  { "two", "last", "strategy=hard", "task=both", "lambda=0.3" },
}

-- What the twin needs: the noise is rille's own.
local function dump_batch(run, case, n, batch, dump)
  local y = run.recipe.table.forward(run.models, batch, run.options)
  local degraded = y.degraded()
  dump(("%s-%s-%02d"):format(case[1], run.stages[run.position.stage].name, n), {
    clean = batch.image, degraded = degraded, shown = rl.data.resize(degraded, batch.image),
    mask = batch.mask, label = batch.label })
end

---The summed losses of ten f64 steps of each stage.
---@param case string[] one of `cases`
---@param data string a data set's folder
---@param dump? fun(name: string, tensors: table) gets the start weights and every batch
local function losses(case, data, dump)
  local set = { "lambda=0.5", "lr=1e-3", table.unpack(case, 3) }
  local run, out = steps.open("gradprom", "tiny", set, data), {}
  if dump then steps.dump_weights(run, case[1], dump) end
  for k = case[2] == "last" and #run.stages or 1, #run.stages do
    local name = run.stages[k].name
    trial.enter(run, k)
    out[name] = {}
    steps.each_batch(run, k, { "image", "mask" }, function(batch, n)
      if dump then dump_batch(run, case, n, batch, dump) end
      out[name][n] = trial.step(run, batch).total
    end)
  end
  return out
end

steps.script("gradprom.lua", CASES, DATA, losses)

return { cases = CASES, losses = losses, data = DATA }
