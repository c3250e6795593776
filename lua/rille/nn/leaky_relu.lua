-- LeakyReLU: a ReLU whose negative side has a small fixed slope.

local core = require "rille.core"
local check = require "rille.util.check"
local Module = require "rille.nn.module"

---y = x where x > 0, negative_slope * x elsewhere. Any shape -> the same.
---@class rille.LeakyReLU: rille.Module
local LeakyReLU = Module:extend("LeakyReLU")

---@param negative_slope? number default 0.01
function LeakyReLU:init(negative_slope)
  rawset(self, "_slope", check.number("LeakyReLU", "negative_slope", negative_slope or 0.01, -1e6, 1e6))
  rawset(self, "_tensors", {}) -- the slope as rl.prelu takes it, by dtype; no parameter, no buffer
end

function LeakyReLU:slope_for(dtype)
  local t = self._tensors[dtype] or core.full({ 1 }, self._slope, { dtype = dtype })
  self._tensors[dtype] = t
  return t
end

function LeakyReLU:forward(x) return core.prelu(x, self:slope_for(x.dtype)) end

function LeakyReLU:describe() return tostring(self._slope) end

LeakyReLU.keeps_nothing, LeakyReLU.fusable = true, "prelu"

return { LeakyReLU = LeakyReLU }
