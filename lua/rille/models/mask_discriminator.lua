-- The discriminator of "Semi-Supervised Multi-Task Learning With Chest X-Ray Images" (arXiv:1908.03693): it
-- names the class of an image with its mask, or says that the mask is a prediction. Layers after
-- arXiv:1511.06434; one more class for what is made: arXiv:1606.03498.

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"

local WIDTHS = { 32, 64, 128, 256, 512 }

---Shape:  net(x N x channels x H x W, mask N x 1 x H x W) -> logits N x (classes + 1), the last one "the
---        mask is a prediction"; H and W multiples of 32. With mask = false, net(x) -> N x classes: a plain
---classifier. Layers: 4x4 convolutions of stride 2, BN from the second on, LeakyReLU(0.2); mean; Dropout;
---  Linear.
---@class rille.MaskDiscriminator: rille.Module
local MaskDiscriminator = nn.Module:extend("MaskDiscriminator")

---@param opts? { channels: integer, classes: integer, width: number, dropout: number, mask: boolean }
---  default 1, 2, 1 (of 32, 64, 128, 256, 512), 0.4, true
function MaskDiscriminator:init(opts)
  local who = "MaskDiscriminator"
  local o = check.options(who, opts, { channels = 1, classes = 2, width = 1, dropout = 0.4, mask = true })
  check.number(who, "width", o.width, 1 / 32, 32)
  check.integer(who, "classes", o.classes, 1)
  check.boolean(who, "mask", o.mask)
  local from, extra = check.integer(who, "channels", o.channels, 1), o.mask and 1 or 0
  from = from + extra
  self.slope = nn.LeakyReLU(0.2)
  for k, width in ipairs(WIDTHS) do
    local out = math.max(1, math.floor(width * o.width + 0.5))
    self["conv" .. k] = nn.Conv2d(from, out, 4, { stride = 2, padding = 1 })
    if k > 1 then self["bn" .. k] = nn.BatchNorm2d(out) end
    from = out
  end
  self.dropout = nn.Dropout(o.dropout)
  self.fc = nn.Linear(from, o.classes + extra)
end

function MaskDiscriminator:forward(x, mask)
  local v = mask and core.cat({ x, mask }, { dim = 2 }) or x
  for k = 1, #WIDTHS do v = fused.conv(self["conv" .. k], v, rawget(self, "bn" .. k), self.slope) end
  return self.fc(self.dropout(core.mean(fused.value(v), { -2, -1 })))
end

return { MaskDiscriminator = MaskDiscriminator }
