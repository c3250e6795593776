-- PixelShuffle (Shi et al. 2016, arXiv:1609.05158): channels become pixels of a larger image.

local core = require "rille.core"
local check = require "rille.util.check"
local Module = require "rille.nn.module"

---Channel c r r + i r + j of a pixel becomes its subpixel (i, j) of channel c.
---Shape: N x C r r x H x W -> N x C x H r x W r.
---@class rille.PixelShuffle: rille.Module
local PixelShuffle = Module:extend("PixelShuffle")

---@param upscale_factor integer r
function PixelShuffle:init(upscale_factor)
  rawset(self, "_factor", check.integer("PixelShuffle", "upscale_factor", upscale_factor, 1))
end

function PixelShuffle:forward(x) return core.pixel_shuffle(x, self._factor) end

function PixelShuffle:describe() return tostring(self._factor) end

PixelShuffle.keeps_nothing = true

return { PixelShuffle = PixelShuffle }
