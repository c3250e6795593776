-- Context bottlenecks of MLVICX (Singh, Gorade, Mishra 2024, arXiv:2403.11504): attention over channels, then
-- over pixels, behind each level of an encoder.

local core = require "rille.core"
local check = require "rille.util.check"
local nn = require "rille.nn"

---y' = sigmoid(F(mean of y) + F(max of y)) y per channel, F two 1x1 convolutions with half the channels
---between; then sigmoid(conv 7x7 of [mean, max of y' over channels]) y' per pixel. No biases.
---Shape: N x channels x H x W -> the same.
---@class rille.ContextBottleneck: rille.Module
local ContextBottleneck = nn.Module:extend("ContextBottleneck")

---@param channels integer even
---@param opts? { parts: string } "both" (default), "channel" or "spatial": one attention alone
function ContextBottleneck:init(channels, opts)
  local o = check.options("ContextBottleneck", opts, { parts = "both" })
  check.word("ContextBottleneck", "parts", o.parts, { "both", "channel", "spatial" })
  check.integer("ContextBottleneck", "channels", channels, 2)
  local half, plain = channels // 2, { bias = false }
  if o.parts ~= "spatial" then
    self.channel = nn.Sequential(nn.Conv2d(channels, half, 1, plain), nn.ReLU(),
      nn.Conv2d(half, channels, 1, plain))
  end
  if o.parts ~= "channel" then self.spatial = nn.Conv2d(2, 1, 7, { padding = 3, bias = false }) end
end

function ContextBottleneck:forward(y)
  local gate
  if self.channel then
    local mean, max = core.adaptive_avg_pool2d(y, 1), core.adaptive_max_pool2d(y, 1)
    gate = core.sigmoid(self.channel(mean) + self.channel(max))
  end
  if not self.spatial then return gate * y end
  if gate then return core.gated(y, gate, core.sigmoid(self.spatial(core.gated_pool(y, gate)))) end
  local along = { dim = 2, keepdim = true }
  local over = core.cat({ y:mean(along), (y:max(along)) }, { dim = 2 })
  return core.sigmoid(self.spatial(over)) * y
end

---Context bottlenecks for the levels of an encoder: context(encoder, x) is the list of the levels' maps, each
---behind its bottleneck, which also feeds the next level. encoder:level(k, x) gives level k, as ResNet does.
---@class rille.ContextLevels: rille.Module
local ContextLevels = nn.Module:extend("ContextLevels")

---@param widths integer[] channels of the levels
---@param opts? { parts: string } "both", "channel", "spatial"; "none": the levels as they are
function ContextLevels:init(widths, opts)
  local o = check.options("ContextLevels", opts, { parts = "both" })
  check.word("ContextLevels", "parts", o.parts, { "both", "channel", "spatial", "none" })
  rawset(self, "_levels", #widths)
  for k, channels in ipairs(o.parts ~= "none" and widths or {}) do
    self["level" .. k] = ContextBottleneck(channels, { parts = o.parts })
  end
end

function ContextLevels:forward(encoder, x)
  local maps = {}
  for k = 1, self._levels do
    x = encoder:level(k, x)
    local bottleneck = self["level" .. k]
    if bottleneck then x = bottleneck(x) end
    maps[k] = x
  end
  return maps
end

return { ContextBottleneck = ContextBottleneck, ContextLevels = ContextLevels }
