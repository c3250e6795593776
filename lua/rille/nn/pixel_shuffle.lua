-- PixelShuffle (Shi et al. 2016, arXiv:1609.05158): channels become pixels of a larger image.

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

function PixelShuffle:forward(x)
  local s, r = x.shape, self._factor
  if #s ~= 4 or s[2] % (r * r) ~= 0 then
    error(("PixelShuffle: the input is %s; it takes N x C x H x W, C a multiple of %d"):format(
      check.shape_text(x), r * r), 3)
  end
  local y = x:reshape({ s[1], s[2] // (r * r), r, r, s[3], s[4] }):permute { 1, 2, 5, 3, 6, 4 }
  return y:reshape { s[1], s[2] // (r * r), s[3] * r, s[4] * r }
end

function PixelShuffle:describe() return tostring(self._factor) end

PixelShuffle.keeps_nothing = true

return { PixelShuffle = PixelShuffle }
