-- Scores of outputs against the truth, gathered image by image over batches.
local kinds = require "rille.run.kinds"

local scores = {}

local Gather = {}
Gather.__index = Gather

---Collects rows over batches.
---@param watch table<string, string|table> outputs by kind (rille.run.kinds)
---@param feed table
---@param is_full? boolean with the figures that are too slow for every epoch
---@return table
function scores.gather(watch, feed, is_full)
  kinds.check("watch", watch)
  return setmetatable({ watch = watch, classes = feed.classes, rows = {}, is_full = is_full }, Gather)
end

---Take a batch's outputs.
---@param y table
---@param batch table
function Gather:take(y, batch)
  local rows = {}
  for i, file in ipairs(batch.file) do rows[i] = { file = file } end
  for _, kind in ipairs(kinds.ALL) do
    local spec = self.watch[kind]
    local o = { spec = spec, classes = self.classes, is_full = self.is_full }
    if spec then kinds.take[kind](rows, y, batch, o) end
  end
  table.move(rows, 1, #rows, #self.rows + 1, self.rows)
end

---Means for an epoch's line, as far as they are watched and defined.
---@return table<string, number>
function Gather:summary() return kinds.means(self.watch, self.rows) end

return scores
