-- SR-ResNet, the image enhancer: the generator of Ledig et al. 2016 (arXiv:1609.04802) with five blocks, as
-- the code of Liu et al. 2019 (arXiv:1910.09185) has it. Parameters are named as in that code.

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"

local Residual = nn.Module:extend("SRResidual")

function Residual:init(channels)
  self.conv1 = nn.Conv2d(channels, channels, 3, { padding = 1 })
  self.bn1 = nn.BatchNorm2d(channels)
  self.prelu = nn.PReLU()
  self.conv2 = nn.Conv2d(channels, channels, 3, { padding = 1 })
  self.bn2 = nn.BatchNorm2d(channels)
end

function Residual:forward(x)
  local v = fused.conv(self.conv2, fused.conv(self.conv1, x, self.bn1, self.prelu), self.bn2)
  return fused.value(v, x)
end

---Twice the size by pixel shuffle.
local Larger = nn.Module:extend("SRUpsample")

function Larger:init(channels)
  self.conv = nn.Conv2d(channels, 4 * channels, 3, { padding = 1 })
  self.pixel_shuffle = nn.PixelShuffle(2)
  self.prelu = nn.PReLU()
end

function Larger:forward(x) return self.prelu(self.pixel_shuffle(self.conv(x))) end

---Shape: N x channels x H x W, values of [0, 1] -> N x channels x upscale H x upscale W, in [0, 1].
---upscale = 1 cleans an image, 2 and 4 enlarge it.
---@class rille.SRResNet: rille.Module
local SRResNet = nn.Module:extend("SRResNet")

---@param opts? { upscale: integer, channels: integer, width: integer, blocks: integer } default 1, 3, 64, 5
function SRResNet:init(opts)
  local o = check.options("SRResNet", opts, { upscale = 1, channels = 3, width = 64, blocks = 5 })
  for _, key in ipairs { "channels", "width", "blocks" } do check.integer("SRResNet", key, o[key], 1) end
  local doublings = ({ [1] = 0, [2] = 1, [4] = 2, [8] = 3 })[o.upscale]
  if not doublings then
    error(("SRResNet: upscale = %s; it is 1, 2, 4 or 8"):format(tostring(o.upscale)), 3)
  end
  local w = o.width
  self.block1 = nn.Sequential(nn.Conv2d(o.channels, w, 9, { padding = 4 }), nn.PReLU())
  for k = 2, o.blocks + 1 do self["block" .. k] = Residual(w) end
  self["block" .. o.blocks + 2] = nn.Sequential(nn.Conv2d(w, w, 3, { padding = 1 }), nn.PReLU())
  local last = nn.Sequential()
  for _ = 1, doublings do last:append(Larger(w)) end
  self["block" .. o.blocks + 3] = last:append(nn.Conv2d(w, o.channels, 9, { padding = 4 }))
  rawset(self, "_blocks", o.blocks)
end

function SRResNet:forward(x)
  local first = self.block1(x)
  local y = first
  for k = 2, self._blocks + 2 do y = self["block" .. k](y) end
  return (core.tanh(self["block" .. self._blocks + 3](first + y)) + 1) * 0.5
end

return { SRResNet = SRResNet }
