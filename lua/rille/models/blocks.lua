-- Parts that several U-Nets share. Source of the sizes: arXiv:2403.16970 and its released code.

local fused = require "rille.nn.fused"
local nn = require "rille.nn"

local blocks = {}

---Two 3x3 convolutions, each with BN and ReLU. N x in x H x W -> N x out x H x W.
local Conv2 = nn.Module:extend("Conv2")

function Conv2:init(channels, out)
  self.conv1 = nn.Conv2d(channels, out, 3, { padding = 1 })
  self.bn1 = nn.BatchNorm2d(out)
  self.conv2 = nn.Conv2d(out, out, 3, { padding = 1 })
  self.bn2 = nn.BatchNorm2d(out)
end

function Conv2:lazy(v)
  return fused.conv(self.conv2, fused.conv(self.conv1, v, self.bn1, "relu"), self.bn2, "relu")
end

function Conv2:forward(x) return fused.value(self:lazy(x)) end

---Twice the size by nearest neighbours, then 3x3, BN, ReLU. N x in x H x W -> N x out x 2H x 2W.
local Up = nn.Module:extend("Up")

function Up:init(channels, out)
  self.conv = nn.Conv2d(channels, out, 3, { padding = 1 })
  self.bn = nn.BatchNorm2d(out)
end

function Up:lazy(v) return fused.conv(self.conv, fused.up(v), self.bn, "relu") end

function Up:forward(x) return fused.value(self:lazy(x)) end

blocks.Conv2, blocks.Up = Conv2, Up
return blocks
