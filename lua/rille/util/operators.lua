-- The operators of tensors: a + b, 2 * x, x ^ 2, -x. Numbers may stand on either side.
local core = require "rille.core"

local operators = {}

local function with_alpha(a, b) return core.add(a, b, -1) end

---Sets the arithmetic metamethods on the tensor's metatable. Comparisons stay methods (x:eq(y)): Lua turns the results of
---comparison metamethods into booleans.
---@param meta table the tensor's metatable
function operators.install(meta)
  local metamethod = { __add = core.add, __sub = core.sub or with_alpha, __mul = core.mul, __div = core.div, __pow = core.pow }
  for name, f in pairs(metamethod) do meta[name] = f end
  meta.__unm = function(x) return core.neg(x) end
end

return operators
