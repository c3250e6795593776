-- Every method and mode of MLVICX's recipes at `tiny` by the runner's own step function, ten f64 steps each.
-- As a script: rille tests/twin/mlvicx.lua DIR writes the start weights and the batches there, for mlvicx.py.
-- As a module: steps(case, folder) -> ten numbers, the cases, and the data meant.
local trial = require "rille.run.trial"
local steps = dofile(debug.getinfo(1, "S").source:match "^@(.*)/" .. "/steps.lua")

local DATA = { train = 24, val = 3, test = 3, size = 32, seed = 5 }
local CASES = { -- name, recipe, options
  { "mlvicx", "mlvicx_pretrain", "lambda=0.5" },
  { "straight", "mlvicx_pretrain", "straight=true" },
  { "vicreg", "mlvicx_baselines", "method=vicreg" },
  { "simsiam", "mlvicx_baselines", "method=simsiam" },
  { "byol", "mlvicx_baselines", "method=byol" },
  { "channel", "mlvicx_ablation", "without=spatial" },
  { "probe", "mlvicx_probe", "mode=probe" },
  { "finetune", "mlvicx_probe", "mode=finetune" },
}

---@param case string[] one of `cases`
---@param data string a data set's folder
---@param dump? fun(name: string, tensors: table) gets the start weights and every batch
local function losses(case, data, dump)
  local run, out = steps.open(case[2], "tiny", { table.unpack(case, 3) }, data), {}
  if dump then steps.dump_weights(run, case[1], dump) end
  trial.enter(run, 1)
  steps.each_batch(run, 1, { "image" }, function(batch, n)
    for k, view in ipairs(batch.views or {}) do batch.views[k] = view:to "f64" end
    if dump then
      dump(("%s-%02d"):format(case[1], n), { image = batch.image, label = batch.label,
        view1 = batch.views and batch.views[1], view2 = batch.views and batch.views[2] })
    end
    out[n] = trial.step(run, batch).total
  end)
  return out
end

steps.script("mlvicx.lua", CASES, DATA, function(case, data, dump)
  print(case[1], table.concat(losses(case, data, dump), " "))
end)

return { steps = losses, cases = CASES, data = DATA }
