-- Outputs that may be kept per sample while everything they depend on is frozen and augmentation is off. They
-- are filled in manifest order in batches of a fixed size, so that their bits do not depend on when the run
-- was resumed.
local core = require "rille.core"
local kinds = require "rille.run.kinds"
local outputs = require "rille.run.outputs"
local parts = require "rille.run.parts"
local rl = require "rille"
local step = require "rille.run.step"

local Cache = {}
Cache.__index = Cache

local BATCH = 16
local SHARE = 0.5 -- of the memory that is free below the limit

local function forward(run, batch)
  return outputs.wrap(run.recipe.table.forward(run.models, batch, run.options))
end

-- Names whose value on one batch depends on no trained parameter and drew no random number; with the values.
local function frozen_outputs(run, batch)
  local y, out = forward(run, batch), {}
  for _, name in ipairs(run.recipe.table.cache) do
    if not outputs.has(y, name) then error(('cache: forward gives no output "%s"'):format(name), 0) end
    local before = core.random_state()
    local t, after = y[name], core.random_state()
    if not t.requires_grad and before[2] == after[2] then out[name] = t end
  end
  return out
end

-- Of these, what the stage's losses and watched metrics really read: what lies behind another kept output
-- need not be kept.
local function used_outputs(run, batch, frozen)
  local made, used = {}, {}
  for name, v in pairs(run.recipe.table.forward(run.models, batch, run.options)) do made[name] = v end
  for name, t in pairs(frozen) do
    made[name] = function()
      used[name] = t:numel() // t.shape[1] * 4
      return t
    end
  end
  local y = outputs.wrap(made)
  core.no_grad(function()
    for _, name in ipairs(parts.all_losses(run)) do
      run.recipe.table.losses[name](y, batch, run.models, run.options)
    end
    for _, spec in pairs(run.stage.watch or {}) do
      for _, name in ipairs(kinds.outputs(spec)) do local _ = y[name] end
    end
  end)
  return used
end

local function frozen_names(run, batch)
  local kept = step.keep(run)
  local used = used_outputs(run, batch, frozen_outputs(run, batch))
  step.restore(kept)
  local names, bytes = {}, 0
  for name, n in pairs(used) do names[#names + 1], bytes = name, bytes + n end
  table.sort(names)
  return names, bytes
end

local function fill(run, names, split)
  local store, at, place = {}, 0, {}
  for batch in run.feed:fixed(split, BATCH) do
    local n = batch.image.shape[1]
    local y = forward(run, batch)
    for _, name in ipairs(names) do
      local t = y[name]
      if not store[name] then
        local size = t.shape
        size[1] = run.feed.counts[split]
        store[name] = rl.zeros(size, { dtype = t.dtype })
      end
      store[name][{ { at + 1, at + n } }] = t
    end
    for i, row in ipairs(batch.index:tolist()) do place[row] = at + i end
    at = at + n
  end
  return { tensors = store, place = place }
end

---The cache of the stage that begins; nil when there is nothing to keep.
---@param run table
---@param augments boolean
---@return table?
function Cache.make(run, augments)
  local is_moving = run.stage.frozen_norms == "moving" -- then an output depends on its whole batch
  if augments or is_moving or #(run.recipe.table.cache or {}) == 0 then return nil end
  local first = run.feed:fixed("train", BATCH)()
  if not first then return nil end
  local names, bytes = frozen_names(run, first)
  if #names == 0 then return nil end
  local count = run.feed.counts.train + (run.feed.counts.val or 0)
  local m = core.memory()
  if bytes * count > SHARE * (m.limit - m.live) then
    run.progress:say(("%s is not kept per image: it needs %d MiB"):format(table.concat(names, ", "),
      bytes * count >> 20))
    return nil
  end
  run.progress:say(("computing %s once for %d images, since nothing that it depends on is trained"):format(
    table.concat(names, ", "), count))
  local self = setmetatable({ names = names, stores = {} }, Cache)
  core.no_grad(function()
    for _, split in ipairs { "train", "val" } do
      if (run.feed.counts[split] or 0) > 0 then self.stores[split] = fill(run, names, split) end
    end
  end)
  return self
end

---The kept outputs of a batch.
---@param batch table with split and index (rows of the set)
---@return table<string, rille.Tensor>? nil when the batch's split is not kept
function Cache:ready(batch)
  local store = self.stores[batch.split]
  if not store then return nil end
  local out, places = {}, {}
  for i, row in ipairs(batch.index:tolist()) do places[i] = store.place[row] end
  local at = rl.tensor(places, { dtype = "i64" })
  for _, name in ipairs(self.names) do out[name] = rl.index_select(store.tensors[name], at, 1) end
  return out
end

return Cache
