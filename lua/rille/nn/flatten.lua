-- Flatten: several neighbouring dims as one.

local core = require "rille.core"
local check = require "rille.util.check"
local Module = require "rille.nn.module"

---nn.Flatten(-3, -1) makes N x C x H x W to N x CHW. Both dims are given: no dim is guessed.
---@class rille.Flatten: rille.Module
local Flatten = Module:extend("Flatten")

---@param start_dim integer
---@param end_dim integer
function Flatten:init(start_dim, end_dim)
  if start_dim == nil or end_dim == nil then
    error("Flatten: give the first and the last dim; nn.Flatten(-3, -1) keeps the batch of N x C x H x W", 3)
  end
  rawset(self, "_from", check.integer("Flatten", "start_dim", start_dim))
  rawset(self, "_to", check.integer("Flatten", "end_dim", end_dim))
end

function Flatten:forward(x) return core.flatten(x, self._from, self._to) end

function Flatten:describe() return self._from .. ", " .. self._to end

Flatten.keeps_nothing = true

return { Flatten = Flatten }
