-- Encoder R of the cooperative system: five residual blocks with squeeze and excitation (arXiv:2403.16970).

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local widths = require "rille.models.widths"

local Block = nn.Module:extend("ResSEBlock")

function Block:init(channels, out, o)
  if o.shortcut == "conv" then self.shortcut = nn.Conv2d(channels, out, 3, { padding = 1 }) end
  self.conv1 = nn.Conv2d(channels, out, 3, { padding = 1 })
  self.bn1 = nn.BatchNorm2d(out)
  self.conv2 = nn.Conv2d(out, out, 3, { padding = 1 })
  self.bn2 = nn.BatchNorm2d(out)
  if o.se then self.se = nn.SE(out, { reduction = math.min(16, out) }) end
end

-- The paper's figure draws an identity: channels that the input lacks are zeros.
local function identity(x, channels)
  local shape = x.shape
  local lacking = channels - shape[2]
  if lacking == 0 then return x end
  local zeros = core.zeros({ shape[1], lacking, shape[3], shape[4] }, { dtype = x.dtype })
  return core.cat({ x, zeros }, { dim = 2 })
end

function Block:forward(x)
  local v = fused.conv(self.conv2, fused.conv(self.conv1, x, self.bn1, "relu"), self.bn2, "relu")
  local h = fused.value(v, self.shortcut and self.shortcut(x) or identity(x, self.conv2.weight.shape[1]))
  return self.se and self.se(h) or h
end

---Shape: N x channels x H x W -> list of maps E1 .. E5 at /1, /2, /4, /8, /16; H and W multiples of 16.
---Widths: 64, 128, 256, 512, 1024 times `width`.
---@class rille.ResSEEncoder: rille.Module
local ResSEEncoder = nn.Module:extend("ResSEEncoder")

---@param opts? table channels 1, width 1, se true (false: without squeeze and excitation), shortcut "conv"
---  or "identity"
function ResSEEncoder:init(opts)
  local o = check.options("ResSEEncoder", opts, { channels = 1, width = 1, se = true, shortcut = "conv" })
  check.integer("ResSEEncoder", "channels", o.channels, 1)
  check.boolean("ResSEEncoder", "se", o.se)
  check.word("ResSEEncoder", "shortcut", o.shortcut, { "conv", "identity" })
  local w, from = widths("ResSEEncoder", o.width), o.channels
  for k, out in ipairs(w) do
    self["block" .. k] = Block(from, out, o)
    from = out
  end
  rawset(self, "widths", w)
end

function ResSEEncoder:forward(x)
  local maps = {}
  for k = 1, 5 do
    if k > 1 then x = core.max_pool2d(x, 2) end
    x = self["block" .. k](x)
    maps[k] = x
  end
  return maps
end

return { ResSEEncoder = ResSEEncoder }
