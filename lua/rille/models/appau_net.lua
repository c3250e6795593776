-- Pyramid Progressive Attention U-Net, the segmentor of "Semi-Supervised Multi-Task Learning With Chest X-Ray
-- Images" (arXiv:1908.03693). Each part as in the work it descends from: pyramid encoder arXiv:1810.07842,
-- attention gate arXiv:1804.03999, progressive outputs arXiv:1706.03702 and arXiv:1902.06362.

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local blocks = require "rille.models.blocks"
local widths = require "rille.models.widths"

local LEVELS = 4 -- above the centre

local function twice(x) return core.interpolate(x, { scale_factor = 2, mode = "bilinear" }) end

---The gate of a skip: what the coarser decoder map finds relevant is let through.
---gate(e N x C x H x W, d N x 2C x H/2 x W/2) -> lazy N x C x H x W, and the attention N x 1 x H x W in 0..1.
local AttentionGate = nn.Module:extend("AttentionGate")

function AttentionGate:init(channels, coarser)
  self.theta = nn.Conv2d(channels, channels, 2, { stride = 2, bias = false })
  self.phi = nn.Conv2d(coarser, channels, 1)
  self.psi = nn.Conv2d(channels, 1, 1)
  self.conv = nn.Conv2d(channels, channels, 1)
  self.bn = nn.BatchNorm2d(channels)
end

function AttentionGate:forward(e, d)
  local both = fused.value(fused.conv(self.phi, d, nil, "relu"), self.theta(e))
  local a = twice(core.sigmoid(self.psi(both)))
  return fused.conv(self.conv, a * e, self.bn), a
end

---Shape:  net(x N x channels x H x W) -> list of logits N x 1 x H x W, the finest first, and list of the
---        gates' attention N x 1 x H/k x W/k, k = 1, 2, 4, 8; H and W multiples of 16. The mask is the
---        sigmoid of the first logits. Without `progressive` there is one, without `attention` the second
---list is empty. Widths: 32, 64, 128, 256, centre 512, times `width`.
---@class rille.APPAUNet: rille.Module
local APPAUNet = nn.Module:extend("APPAUNet")

---@param opts? { channels: integer, width: number, pyramid: boolean, attention: boolean,
---  progressive: boolean } default 1, 1 and all three parts
function APPAUNet:init(opts)
  local who = "APPAUNet"
  local o = check.options(who, opts,
    { channels = 1, width = 1, pyramid = true, attention = true, progressive = true })
  check.integer(who, "channels", o.channels, 1)
  for _, part in ipairs { "pyramid", "attention", "progressive" } do check.boolean(who, part, o[part]) end
  local w = widths(who, check.number(who, "width", o.width, 1 / 32, 32) / 2)
  rawset(self, "_parts", o)
  self:make_encoder(w, o)
  for k = LEVELS, 1, -1 do
    self["up" .. k] = blocks.Up(w[k + 1], w[k])
    if o.attention then self["gate" .. k] = AttentionGate(w[k], w[k + 1]) end
    self["decode" .. k] = blocks.Conv2(2 * w[k], w[k])
    if k == 1 or o.progressive then self["out" .. k] = nn.Conv2d(w[k], 1, 1) end
  end
end

function APPAUNet:make_encoder(w, o)
  self.encode1 = blocks.Conv2(o.channels, w[1])
  for k = 2, LEVELS do
    if o.pyramid then self["scale" .. k] = nn.Conv2d(o.channels, w[k], 3, { padding = 1 }) end
    self["encode" .. k] = blocks.Conv2(o.pyramid and w[k] + w[k - 1] or w[k - 1], w[k])
  end
  self.centre = blocks.Conv2(w[LEVELS], w[LEVELS + 1])
end

-- e_1 .. e_4; with the pyramid every level sees the image at its own size.
function APPAUNet:encode(x)
  local maps = { self.encode1(x) }
  for k = 2, LEVELS do
    local v = core.max_pool2d(maps[k - 1], 2)
    if self._parts.pyramid then
      x = core.avg_pool2d(x, 2)
      v = fused.cat(fused.value(fused.conv(self["scale" .. k], x, nil, "relu")), v)
    end
    maps[k] = fused.value(fused.through(self["encode" .. k], v))
  end
  return maps
end

-- d_k from the map below it, and the gate's attention.
function APPAUNet:decode(k, d, e)
  local up, skip, a = fused.value(fused.through(self["up" .. k], d)), e, nil
  if self._parts.attention then skip, a = self["gate" .. k](e, d) end
  return fused.value(fused.through(self["decode" .. k], fused.cat(up, skip))), a
end

function APPAUNet:forward(x)
  local maps, gates, logits, sum = self:encode(x), {}, {}, nil
  local d = self.centre(core.max_pool2d(maps[LEVELS], 2))
  for k = LEVELS, 1, -1 do
    d, gates[k] = self:decode(k, d, maps[k])
    local out = rawget(self, "out" .. k)
    if out then
      local s = out(d)
      sum = sum and s + twice(sum) or s
      logits[k] = k == 1 and sum
        or core.interpolate(sum, { scale_factor = 2 ^ (k - 1), mode = "bilinear" })
    end
  end
  return logits, gates
end

return { APPAUNet = APPAUNet }
