-- Upsample: a larger image by rl.interpolate.

local core = require "rille.core"
local check = require "rille.util.check"
local Module = require "rille.nn.module"

---Shape: N x C x H x W -> N x C x H' x W', by scale_factor or to `size`.
---@class rille.Upsample: rille.Module
local Upsample = Module:extend("Upsample")

---@param opts { scale_factor: number, size: integer[], mode: string, align_corners: boolean } mode: "nearest"
---  (default), "bilinear"
function Upsample:init(opts)
  local o = check.options("Upsample", opts,
    { scale_factor = check.none, size = check.none, mode = "nearest", align_corners = check.none })
  if (o.scale_factor == nil) == (o.size == nil) then
    error("Upsample: give either scale_factor or size", 3)
  end
  check.word("Upsample", "mode", o.mode, { "nearest", "bilinear" })
  if o.size then o.size = check.pair("Upsample", "size", o.size, 1) end
  rawset(self, "_call", o)
end

function Upsample:forward(x) return core.interpolate(x, self._call) end

function Upsample:doubles() return self._call.mode == "nearest" and self._call.scale_factor == 2 end

-- Whether a bilinear map comes out larger, as far as is known without the input.
function Upsample:enlarges()
  local factor = self._call.scale_factor
  return self._call.mode == "bilinear" and type(factor) == "number" and factor > 1
end

function Upsample:describe()
  local o = self._call
  return (o.size and table.concat(o.size, "x") or "x" .. o.scale_factor) .. ", " .. o.mode
end

Upsample.keeps_nothing, Upsample.fusable = true, "resize"

return { Upsample = Upsample }
