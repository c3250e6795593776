-- What tensors get on the Lua side: the operators a + b, 2 * x, x ^ 2, -x (numbers on either side), and short names
-- for what the rows already do.
local core = require "rille.core"

local operators = {}

local function with_alpha(a, b) return core.add(a, b, -1) end

local function float(x) return core.to(x, "f32") end
local function double(x) return core.to(x, "f64") end
local function long(x) return core.to(x, "i64") end

---Sets the arithmetic metamethods on the tensor's metatable, and the short names as methods and functions.
---Comparisons stay methods (x:eq(y)): Lua turns the results of comparison metamethods into booleans.
---@param meta table the tensor's metatable
function operators.install(meta)
  local metamethod = {
    __add = core.add, __sub = core.sub or with_alpha, __mul = core.mul, __div = core.div, __pow = core.pow,
  }
  for name, f in pairs(metamethod) do meta[name] = f end
  meta.__unm = function(x) return core.neg(x) end
  core.view, meta.methods.view = core.reshape, core.reshape
  for name, f in pairs { float = float, double = double, long = long } do meta.methods[name] = f end
end

return operators
