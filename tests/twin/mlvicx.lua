-- Every method and mode of MLVICX's recipes at `tiny` by the runner's own step function, ten f64 steps each.
-- As a script: rille tests/twin/mlvicx.lua DIR writes the start weights and the batches there, for mlvicx.py.
-- As a module: steps(case, folder) -> ten numbers, the cases, and the data meant.
local rl = require "rille"
local build = require "rille.run.build"
local recipe = require "rille.run.recipe"
local trial = require "rille.run.trial"

local STEPS = 10
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

local function each_batch(run, f)
  local epoch, done = 1, 0
  while done < STEPS do
    local o = { batch = run.batch_size, stage = 1, epoch = epoch, cursor = 0, augment = false }
    for batch in run.feed:batches("train", o) do
      if done == STEPS then return end
      done = done + 1
      batch.image = batch.image:to "f64"
      for k, view in ipairs(batch.views or {}) do batch.views[k] = view:to "f64" end
      f(batch, done)
    end
    epoch = epoch + 1
  end
end

local function dump_weights(run, name, dump)
  local weights = {}
  for _, model in ipairs(build.sorted_names(run.models)) do
    for path, t in pairs(run.models[model]:state_dict()) do weights[model .. "." .. path] = t end
  end
  dump(name .. "-weights", weights)
end

---@param case string[] one of `cases`
---@param data string a data set's folder
---@param dump? fun(name: string, tensors: table) gets the start weights and every batch
local function steps(case, data, dump)
  local loaded = recipe.load(case[2], { preset = "tiny", set = { table.unpack(case, 3) } })
  local run, out = trial.open(loaded, { data = data, seed = 1, quiet = true }), {}
  for _, m in pairs(run.models) do m:to "f64" end
  if dump then dump_weights(run, case[1], dump) end
  trial.enter(run, 1)
  each_batch(run, function(batch, n)
    if dump then
      dump(("%s-%02d"):format(case[1], n), { image = batch.image, label = batch.label,
        view1 = batch.views and batch.views[1], view2 = batch.views and batch.views[2] })
    end
    out[n] = trial.step(run, batch).total
  end)
  return out
end

if arg and arg[0] and arg[0]:find("twin/mlvicx.lua", 1, true) then
  local dir = assert(arg[1], "give a folder")
  rl.data.phantom(dir .. "/data", DATA)
  for _, case in ipairs(CASES) do
    local got = steps(case, dir .. "/data", function(name, tensors)
      assert(rl.io.save(dir .. "/" .. name .. ".safetensors", tensors))
    end)
    print(case[1], table.concat(got, " "))
  end
end

return { steps = steps, cases = CASES, data = DATA }
