-- Ten f64 steps of every stage of the cooperative recipe at `tiny`, by the runner's own step function.
-- As a script: rille tests/twin/cooperative.lua DIR writes the start weights and the batches there, for
-- cooperative.py.
-- As a module: losses(folder) -> { stage = { ten losses } }, and the data it is meant for.
local rl = require "rille"
local build = require "rille.run.build"
local recipe = require "rille.run.recipe"
local trial = require "rille.run.trial"

local STEPS = 10
local SETS = { "dropout=0", "batch=6" } -- dropout's masks are not shared with the twin

local DATA = { train = 36, val = 6, test = 6, size = 64, seed = 5 }

local function to_f64(batch)
  for _, name in ipairs { "image", "saliency" } do batch[name] = batch[name]:to "f64" end
  return batch
end

local function each_batch(run, k, f)
  local epoch, done = 1, 0
  while done < STEPS do
    local o = { batch = run.batch_size, stage = k, epoch = epoch, cursor = 0, augment = false }
    for batch in run.feed:batches("train", o) do
      if done == STEPS then return end
      done = done + 1
      f(to_f64(batch), done)
    end
    epoch = epoch + 1
  end
end

---@param data string a data set's folder
---@param dump? fun(name: string, tensors: table) gets the start weights and every batch
local function losses(data, dump)
  local tiny = recipe.load("cooperative", { preset = "tiny", set = SETS })
  local run = trial.open(tiny, { data = data, seed = 1, quiet = true })
  for _, m in pairs(run.models) do m:to "f64" end
  if dump then
    local weights = {}
    for _, name in ipairs(build.sorted_names(run.models)) do
      for path, t in pairs(run.models[name]:state_dict()) do weights[name .. "." .. path] = t end
    end
    dump("weights", weights)
  end
  local out = {}
  for k, s in ipairs(run.stages) do
    trial.enter(run, k)
    out[s.name] = {}
    each_batch(run, k, function(batch, n)
      if dump then
        local kept = { image = batch.image, saliency = batch.saliency, label = batch.label }
        dump(("%d-%s-%02d"):format(k, s.name, n), kept)
      end
      out[s.name][n] = trial.step(run, batch).total
    end)
  end
  return out
end

if arg and arg[0] and arg[0]:find("twin/cooperative.lua", 1, true) then
  local dir = assert(arg[1], "give a folder")
  rl.data.phantom(dir .. "/data", DATA)
  local got = losses(dir .. "/data", function(name, tensors)
    assert(rl.io.save(dir .. "/" .. name .. ".safetensors", tensors))
  end)
  for _, name in ipairs(build.sorted_names(got)) do print(name, table.concat(got[name], " ")) end
end

return { losses = losses, data = DATA }
