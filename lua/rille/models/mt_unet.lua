-- MT-UNet (arXiv:2202.07118), the joint baseline: one plain U-Net, a saliency head on its last map, a
-- classifier on its bottleneck and its last map.

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local blocks = require "rille.models.blocks"
local SaliencyHead = require("rille.models.saliency_head").SaliencyHead
local widths = require "rille.models.widths"

local UNetEncoder = nn.Module:extend("UNetEncoder")

function UNetEncoder:init(channels, w)
  local from = channels
  for k, out in ipairs(w) do
    self["conv" .. k] = blocks.Conv2(from, out)
    from = out
  end
end

function UNetEncoder:forward(x)
  local maps = {}
  for k = 1, 5 do
    if k > 1 then x = core.max_pool2d(x, 2) end
    x = self["conv" .. k](x)
    maps[k] = x
  end
  return maps
end

local UNetDecoder = nn.Module:extend("UNetDecoder")

function UNetDecoder:init(w)
  for k = 4, 1, -1 do
    self["up" .. k] = blocks.Up(w[k + 1], w[k])
    self["conv" .. k] = blocks.Conv2(2 * w[k], w[k])
  end
end

function UNetDecoder:forward(maps)
  local d = maps[5]
  for k = 4, 1, -1 do
    d = fused.through(self["conv" .. k], fused.cat(maps[k], fused.through(self["up" .. k], d)))
  end
  return fused.value(d)
end

local Classifier = nn.Module:extend("MTUNetClassifier")

function Classifier:init(features, classes, dropout)
  self.fc1 = nn.Linear(features, 64)
  self.dropout = nn.Dropout(dropout)
  self.fc2 = nn.Linear(64, classes)
end

function Classifier:forward(bottleneck, last)
  local z = core.cat({ core.mean(bottleneck, { -2, -1 }), core.mean(last, { -2, -1 }) }, { dim = 2 })
  return self.fc2(fused.rectified(self.dropout(self.fc1(z))))
end

---Shape: N x channels x H x W -> logits N x classes, saliency logits N x 1 x H x W; H and W multiples of 16.
---Parts: encoder (list of five maps), decoder, head, classifier; a recipe may train them apart.
---@class rille.MTUNet: rille.Module
local MTUNet = nn.Module:extend("MTUNet")

---@param opts? { channels: integer, classes: integer, width: number, dropout: number } default 1, 3, 1, 0.25
function MTUNet:init(opts)
  local o = check.options("MTUNet", opts, { channels = 1, classes = 3, width = 1, dropout = 0.25 })
  local w = widths("MTUNet", o.width)
  self.encoder = UNetEncoder(check.integer("MTUNet", "channels", o.channels, 1), w)
  self.decoder = UNetDecoder(w)
  self.head = SaliencyHead { width = o.width }
  self.classifier = Classifier(w[5] + w[1], check.integer("MTUNet", "classes", o.classes, 1), o.dropout)
end

function MTUNet:forward(x)
  local maps = self.encoder(x)
  local d1 = self.decoder(maps)
  return self.classifier(maps[5], d1), self.head(d1)
end

return { MTUNet = MTUNet, UNetEncoder = UNetEncoder, UNetDecoder = UNetDecoder }
