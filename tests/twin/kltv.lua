-- Every mode of the KLTV recipe at `tiny` by the runner's own step function, ten f64 steps each.
-- As a script: rille tests/twin/kltv.lua DIR writes the start weights and the batches there, for kltv.py.
-- As a module: steps(case, folder) -> { loss = ten numbers }, the cases, and the data meant.
local rl = require "rille"
local trial = require "rille.run.trial"
local steps = dofile(debug.getinfo(1, "S").source:match "^@(.*)/" .. "/steps.lua")

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

---@param case string[] one of `cases`
---@param data string a data set's folder
---@param dump? fun(name: string, tensors: table) gets the start weights and every batch
local function losses(case, data, dump)
  local run, out = steps.open(case[2], "tiny", { "dropout=0", table.unpack(case, 3) }, data), {}
  if dump then steps.dump_weights(run, case[1], dump) end
  trial.enter(run, 1)
  steps.each_batch(run, 1, { "image", "mask" }, function(batch, n)
    local more = batch.unlabelled
    if more then more.image = more.image:to "f64" end
    if case[1] == "partly" then take_labels_away(batch) end
    if dump then dump(("%s-%02d"):format(case[1], n), as_tensors(batch)) end
    for name, v in pairs(trial.step(run, batch).values) do
      out[name] = out[name] or {}
      out[name][n] = v
    end
  end)
  return out
end

steps.script("kltv.lua", CASES, DATA, losses)

return { steps = losses, cases = CASES, data = DATA }
