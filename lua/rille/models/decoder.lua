-- Decoder of the cooperative system (arXiv:2403.16970): up from DenseNet's F4, the encoder's maps joined at
-- each step.

local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local blocks = require "rille.models.blocks"
local widths = require "rille.models.widths"

---decoder(F4, maps): F4 N x features x H/32 x W/32, maps = { E1, ..., E5 } -> d1, N x 64 width x H x W.
---At each step the encoder's map comes first in the concatenation, then the one from below. With features =
---false there is no F4 and no fifth step: decoder(nil, maps) starts from E5.
---@class rille.ResSEDecoder: rille.Module
local ResSEDecoder = nn.Module:extend("ResSEDecoder")

---@param opts? { features: integer|false, width: number } default 1920 (DenseNet-201; 1024: DenseNet-121), 1
function ResSEDecoder:init(opts)
  local o = check.options("ResSEDecoder", opts, { features = 1920, width = 1 })
  local e = widths("ResSEDecoder", o.width)
  local out = { e[1], e[1], e[2], e[3], e[4] }
  local from, steps = e[5], 4
  if o.features then from, steps = check.integer("ResSEDecoder", "features", o.features, 1), 5 end
  for k = steps, 1, -1 do
    self["up" .. k] = blocks.Up(from, out[k])
    self["conv" .. k] = blocks.Conv2(e[k] + out[k], out[k])
    from = out[k]
  end
  rawset(self, "_steps", steps)
  rawset(self, "width", out[1])
end

function ResSEDecoder:forward(f4, maps)
  if type(maps) ~= "table" then error("ResSEDecoder: call it with F4 and the list of encoder maps", 3) end
  local d = self._steps == 5 and f4 or maps[5]
  for k = self._steps, 1, -1 do
    d = fused.through(self["conv" .. k], fused.cat(maps[k], fused.through(self["up" .. k], d)))
  end
  return fused.value(d)
end

return { ResSEDecoder = ResSEDecoder }
