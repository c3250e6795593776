-- Every mode of the KLTV recipe at `tiny` by the runner's own step function, ten f64 steps each.
-- As a script: rille tests/twin/kltv.lua DIR writes the start weights and the batches there, for kltv.py.
-- As a module: steps(case, folder) -> { loss = ten numbers }, the cases, and the data meant.
local rl = require "rille"
local build = require "rille.run.build"
local recipe = require "rille.run.recipe"
local trial = require "rille.run.trial"

local STEPS = 10
local DATA = { train = 48, val = 3, test = 3, size = 32, seed = 5 }
local CASES = { -- name, recipe, options
  { "semi", "kltv" },
  { "partly", "kltv" }, -- the first image of each batch has no mask, the second no class
  { "supervised", "kltv", "mode=supervised" },
  { "segment", "kltv", "mode=segment", "reading=both", "weight=0.5" },
  { "classify", "kltv", "mode=classify" },
  { "xe_tversky", "kltv_losses", "mode=semi", "loss=xe_tversky" },
  { "pgu", "kltv_networks", "net=pgu" },
}

local function take_labels_away(batch)
  local has, label = batch.has_mask:tolist(), batch.label:tolist()
  has[1], label[2] = false, 0
  for i, v in ipairs(has) do has[i] = v and 1 or 0 end
  batch.has_mask = rl.tensor(has):gt(0)
  batch.label = rl.tensor(label, { dtype = "i64" })
  batch.mask[{ 1 }] = 0
end

local function as_tensors(batch)
  local more = batch.unlabelled
  return { image = batch.image, mask = batch.mask, label = batch.label, more = more and more.image or nil,
    has_mask = batch.has_mask:to "i64" }
end

local function each_batch(run, f)
  local epoch, done = 1, 0
  while done < STEPS do
    local o = { batch = run.batch_size, stage = 1, epoch = epoch, cursor = 0, augment = false }
    for batch in run.feed:batches("train", o) do
      if done == STEPS then return end
      done = done + 1
      batch.image, batch.mask = batch.image:to "f64", batch.mask:to "f64"
      local more = batch.unlabelled
      if more then more.image = more.image:to "f64" end
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
  local loaded = recipe.load(case[2], { preset = "tiny", set = { "dropout=0", table.unpack(case, 3) } })
  local run, out = trial.open(loaded, { data = data, seed = 1, quiet = true }), {}
  for _, m in pairs(run.models) do m:to "f64" end
  if dump then dump_weights(run, case[1], dump) end
  trial.enter(run, 1)
  each_batch(run, function(batch, n)
    if case[1] == "partly" then take_labels_away(batch) end
    if dump then dump(("%s-%02d"):format(case[1], n), as_tensors(batch)) end
    for name, v in pairs(trial.step(run, batch).values) do
      out[name] = out[name] or {}
      out[name][n] = v
    end
  end)
  return out
end

if arg and arg[0] and arg[0]:find("twin/kltv.lua", 1, true) then
  local dir = assert(arg[1], "give a folder")
  rl.data.phantom(dir .. "/data", DATA)
  for _, case in ipairs(CASES) do
    steps(case, dir .. "/data", function(name, tensors)
      assert(rl.io.save(dir .. "/" .. name .. ".safetensors", tensors))
    end)
  end
end

return { steps = steps, cases = CASES, data = DATA }
