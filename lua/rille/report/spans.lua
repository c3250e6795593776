-- Means over spans of steps, of a sequence whose length is not known beforehand: when there are too many
-- spans, neighbours are joined and the width doubles.

local Spans = {}
Spans.__index = Spans

local MOST = 240

---@return table spans empty
function Spans.new() return setmetatable({ width = 1, sum = {}, count = {}, last = -1 }, Spans) end

local function double(self)
  local sum, count = {}, {}
  for k, v in pairs(self.sum) do
    local to = k // 2
    sum[to] = (sum[to] or 0) + v
    count[to] = (count[to] or 0) + self.count[k]
  end
  self.sum, self.count, self.width, self.last = sum, count, self.width * 2, self.last // 2
end

---Add one value; what is not finite is passed over.
---@param step number
---@param value number
function Spans:add(step, value)
  if value ~= value or math.abs(value) == math.huge then return end
  self.first = self.first or step
  if step < self.first then return end
  local k = (step - self.first) // self.width
  while k >= MOST do
    double(self)
    k = (step - self.first) // self.width
  end
  self.sum[k] = (self.sum[k] or 0) + value
  self.count[k] = (self.count[k] or 0) + 1
  self.last = math.max(self.last, k)
end

---Mean over the steps from lo up to, but not including, hi.
---@param lo number
---@param hi number
---@return number mean NaN when there are none
function Spans:mean(lo, hi)
  if not self.first then return 0 / 0 end
  local sum, count, width = 0, 0, self.width
  for k = math.max(0, (lo - self.first) // width), math.min(self.last, (hi - self.first) // width) do
    local middle = self.first + (k + 0.5) * width
    if self.sum[k] and middle >= lo and middle < hi then
      sum, count = sum + self.sum[k], count + self.count[k]
    end
  end
  return count > 0 and sum / count or 0 / 0
end

return Spans
