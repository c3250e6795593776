-- A U-Net whose encoder is a ResNet: the segmenter of arXiv:2501.01114, and its second enhancer. That the
-- encoder is a ResNet is the paper's word, the decoder's layers are ours.

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local blocks = require "rille.models.blocks"
local resnet = require "rille.models.resnet"

local STEPS = { 256, 128, 64, 32, 16 } -- channels behind each of the five steps up
local DEPTHS = { [18] = resnet.resnet18, [34] = resnet.resnet34, [50] = resnet.resnet50,
  [101] = resnet.resnet101 }

---Shape: N x channels x H x W -> N x classes x H x W; H and W multiples of 32. As it comes the output is any
---number (logits of a mask); with range = true it is (tanh + 1)/2, in [0, 1], as an enhancer's.
---Parts: encoder, a ResNet without a last layer (weights of the common ImageNet checkpoints load into it);
---step1 to step5: twice the size by nearest neighbours, the encoder's map of that size in front (none at the
---last), two 3x3 convolutions; last, a 3x3 convolution.
---@class rille.ResNetUNet: rille.Module
local ResNetUNet = nn.Module:extend("ResNetUNet")

---@param opts? { depth: integer, classes: integer, channels: integer, width: integer, range: boolean,
---  encoder: rille.ResNet } default 18 (or 34, 50, 101), 1, 3, 64 (channels of the encoder's first level; the
---  decoder's change alike), false; encoder: one of your own, made with classes = false, instead of depth,
---  channels and width
function ResNetUNet:init(opts)
  local o = check.options("ResNetUNet", opts,
    { depth = 18, classes = 1, channels = 3, width = 64, range = false, encoder = check.none })
  local make = DEPTHS[o.depth]
  if not make then
    error(("ResNetUNet: depth = %s; it is 18, 34, 50 or 101"):format(tostring(o.depth)), 3)
  end
  check.boolean("ResNetUNet", "range", o.range)
  self.encoder = o.encoder or make { classes = false, channels = o.channels, width = o.width }
  local widths, from = self.encoder.widths, self.encoder.widths[5]
  for k, published in ipairs(STEPS) do
    local out = math.max(1, published * widths[1] // 64)
    self["step" .. k] = blocks.Conv2(from + (widths[5 - k] or 0), out)
    from = out
  end
  self.last = nn.Conv2d(from, check.integer("ResNetUNet", "classes", o.classes, 1), 3, { padding = 1 })
  rawset(self, "_range", o.range)
end

---From the encoder's five maps to the output.
---@param maps rille.Tensor[] as encoder:taps(x) gives them
---@return rille.Tensor
function ResNetUNet:decode(maps)
  local d = maps[5]
  for k = 1, 5 do
    d = fused.up(d)
    if maps[5 - k] then d = fused.cat(maps[5 - k], d) end
    d = fused.through(self["step" .. k], d)
  end
  local y = fused.value(fused.conv(self.last, d))
  return self._range and (core.tanh(y) + 1) * 0.5 or y
end

function ResNetUNet:forward(x) return self:decode(self.encoder:taps(x)) end

return { ResNetUNet = ResNetUNet }
