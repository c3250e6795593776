-- Streams of batches beside the main one: R.data.streams = { unlabelled = { batch = 8 } } puts
-- batch.unlabelled into every batch of training. A stream has an order of its own, from (seed, name, its
-- epoch), and stands at a place that the main stream's place alone decides, so resume and replay hold.
local check = require "rille.util.check"

local Streams = {}
Streams.__index = Streams

local DEFAULTS = { batch = 8, rows = "unlabelled" }
local HIDDEN = { "label", "has_label", "mask", "has_mask", "saliency", "has_saliency" }

local function hash(name) -- so that streams of one run differ in their orders
  local h = 5381
  for i = 1, #name do h = (h * 33 + name:byte(i)) & 0xffffffff end
  return h
end

---Check the streams of a recipe and find their rows.
---
---Raises: "data: streams.NAME: ..." for unknown fields.
---@param specs table<string, { batch: integer?, rows: string? }> rows: "unlabelled" (default; without their
---  labels; all of train where there are none), "labelled" or "all"
---@param o { labelled: integer[], unlabelled: integer[], seed: integer, open: fun(o: table): rille.Loader }
---@return table streams
function Streams.new(specs, o)
  local self = setmetatable({ list = {} }, Streams)
  if type(specs) ~= "table" then error("data: streams is a table { NAME = { batch = 8 } }", 0) end
  for name, given in pairs(specs) do
    local who = "data: streams." .. tostring(name)
    local s = check.options(who, given, DEFAULTS)
    check.integer(who, "batch", s.batch, 1)
    check.word(who, "rows", s.rows, { "unlabelled", "labelled", "all" })
    local rows = s.rows == "labelled" and o.labelled or s.rows == "unlabelled" and o.unlabelled or {}
    s.name, s.is_hidden = name, s.rows == "unlabelled"
    if #rows == 0 then
      rows = table.move(o.labelled, 1, #o.labelled, 1, {})
      table.move(o.unlabelled, 1, #o.unlabelled, #rows + 1, rows)
    end
    s.count, s.per_epoch = #rows, math.max(1, #rows // s.batch)
    s.open = function(augment)
      return o.open { rows = rows, batch = s.batch, seed = o.seed ~ hash(name) << 20, augment = augment,
        drop_last = #rows >= s.batch }
    end
    s.loaders = {}
    self.list[#self.list + 1] = s
  end
  table.sort(self.list, function(a, b) return a.name < b.name end)
  return self
end

-- The batch of a stream for step t (from 0) since `first`, an epoch number.
local function batch_at(s, first, t, augment)
  local key = augment ~= nil
  local l = s.loaders[key] or s.open(augment)
  s.loaders[key] = l
  local epoch, index = first + t // s.per_epoch, t % s.per_epoch * s.batch
  local now = l:state()
  if now.epoch ~= epoch or now.index ~= index then l:restore { epoch = epoch, index = index } end
  local batch = l:next() or l:next() -- the end of an epoch is told once
  if s.is_hidden then
    for _, field in ipairs(HIDDEN) do batch[field] = nil end
  end
  return batch
end

---Put every stream's batch into a batch of the main one.
---@param batch table
---@param o { first: integer, step: integer, augment: table? } first epoch number of the stage; steps of the
---  stage before this batch
function Streams:add(batch, o)
  for _, s in ipairs(self.list) do batch[s.name] = batch_at(s, o.first, o.step, o.augment) end
end

return Streams
