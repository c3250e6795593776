-- What rille's sides of the twins share: ten f64 steps of a stage on batches in the runner's own order, and
-- the files that the PyTorch sides read.
local build = require "rille.run.build"
local rl = require "rille"
local recipe = require "rille.run.recipe"
local trial = require "rille.run.trial"

local steps = { STEPS = 10 }

---A run of a recipe with its models in f64, unless `dtype` says otherwise.
---@param name string of the recipe
---@param preset string
---@param set string[] options, as after --set
---@param data string a data set's folder
---@param dtype? string
---@return table run
function steps.open(name, preset, set, data, dtype)
  local loaded = recipe.load(name, { preset = preset, set = set })
  local run = trial.open(loaded, { data = data, seed = 1, quiet = true })
  for _, m in pairs(run.models) do m:to(dtype or "f64") end
  return run
end

---Calls f(batch, n) for the first ten batches of a stage.
---@param run table
---@param k integer the stage's place
---@param names string[] fields of a batch that become f64; what a batch lacks is left out
---@param f fun(batch: table, n: integer)
function steps.each_batch(run, k, names, f)
  local epoch, done = 1, 0
  while done < steps.STEPS do
    local o = { batch = run.batch_size, stage = k, epoch = epoch, cursor = 0, augment = false }
    for batch in run.feed:batches("train", o) do
      if done == steps.STEPS then return end
      done = done + 1
      for _, name in ipairs(names) do batch[name] = batch[name] and batch[name]:to "f64" end
      f(batch, done)
    end
    epoch = epoch + 1
  end
end

---Start weights under the name "CASE-weights", each by MODEL.PATH.
---@param run table
---@param case string
---@param dump fun(name: string, tensors: table)
function steps.dump_weights(run, case, dump)
  local weights = {}
  for _, model in ipairs(build.sorted_names(run.models)) do
    for path, t in pairs(run.models[model]:state_dict()) do weights[model .. "." .. path] = t end
  end
  dump(case .. "-weights", weights)
end

---As a script: draws the data into DIR (the first argument) and calls f(case, folder of the data, dump) for
---every case; dump writes DIR/NAME.safetensors. Does nothing where another file was called.
---@param file string "kltv.lua"
---@param cases string[][]
---@param data table of the phantom
---@param f fun(case: string[], data: string, dump: fun(name: string, tensors: table))
function steps.script(file, cases, data, f)
  if not (arg and arg[0] and arg[0]:find("twin/" .. file, 1, true)) then return end
  local dir = assert(arg[1], "give a folder")
  rl.data.phantom(dir .. "/data", data)
  for _, case in ipairs(cases) do
    f(case, dir .. "/data", function(name, tensors)
      assert(rl.io.save(dir .. "/" .. name .. ".safetensors", tensors))
    end)
  end
end

return steps
