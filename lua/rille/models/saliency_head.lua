-- Saliency head (arXiv:2403.16970): from the decoder's last map to the logits of a map; softmax over all
-- pixels is the loss's.

local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local widths = require "rille.models.widths"

---Shape: N x 64 width x H x W -> N x maps x H x W.
---@class rille.SaliencyHead: rille.Module
local SaliencyHead = nn.Module:extend("SaliencyHead")

---@param opts? { width: number, maps: integer } default 1, 1
function SaliencyHead:init(opts)
  local o = check.options("SaliencyHead", opts, { width = 1, maps = 1 })
  local c = widths("SaliencyHead", o.width)[1]
  self.conv1 = nn.Conv2d(c, c, 3, { padding = 1 })
  self.bn1 = nn.BatchNorm2d(c)
  self.conv2 = nn.Conv2d(c, check.integer("SaliencyHead", "maps", o.maps, 1), 1)
end

function SaliencyHead:forward(x)
  return fused.value(fused.conv(self.conv2, fused.conv(self.conv1, x, self.bn1, "relu")))
end

return { SaliencyHead = SaliencyHead }
