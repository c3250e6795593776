-- Dropout (Srivastava et al., JMLR 2014).

local core = require "rille.core"
local check = require "rille.util.check"
local Module = require "rille.nn.module"

---In training mode each element becomes 0 with probability p, and the others are divided by 1 - p; else
---x itself.
---@class rille.Dropout: rille.Module
local Dropout = Module:extend("Dropout")

---@param p? number default 0.5
function Dropout:init(p)
  rawset(self, "_p", check.number("Dropout", "p", p == nil and 0.5 or p, 0, 1))
end

function Dropout:forward(x)
  if not self.training or self._p == 0 then return x end
  return core.dropout(x, self._p)
end

function Dropout:describe() return tostring(self._p) end

Dropout.keeps_nothing = true

return { Dropout = Dropout }
