-- What tensors get on the Lua side: the operators a + b, 2 * x, x ^ 2, -x (numbers on either side), and
-- short names for what the rows already do.
local core = require "rille.core"

local operators = {}

local function float(x) return core.to(x, "f32") end
local function double(x) return core.to(x, "f64") end
local function long(x) return core.to(x, "i64") end

---x with `value` where mask (bool, broadcast) is true; no gradient flows there.
local function masked_fill(x, mask, value) return core.where(mask, value, x) end

---x cut along `dim` into pieces of `size`, or of the sizes in a list; views. The last piece may be smaller.
---@param x table tensor
---@param size integer|integer[]
---@param dim integer from 1, negative from the end
---@return table[] pieces
local function split(x, size, dim)
  if not dim then error("split: dim is missing; split(x, size, dim)", 2) end
  local total, pieces, at = x:size(dim), {}, 1
  if type(size) == "table" then
    for i, n in ipairs(size) do
      if at + n - 1 > total then error("split: the sizes add up to more than " .. total, 2) end
      pieces[i], at = core.narrow(x, dim, at, n), at + n
    end
    if at ~= total + 1 then
      error(("split: the sizes add up to %d, dim %d has %d"):format(at - 1, dim, total), 2)
    end
    return pieces
  end
  if math.type(size) ~= "integer" or size < 1 then error("split: size is a whole number from 1", 2) end
  while at <= total do
    pieces[#pieces + 1] = core.narrow(x, dim, at, math.min(size, total - at + 1))
    at = at + size
  end
  return pieces
end

---x cut along `dim` into `n` pieces of equal size, or fewer where it does not go round; views.
local function chunk(x, n, dim)
  if not dim then error("chunk: dim is missing; chunk(x, n, dim)", 2) end
  if math.type(n) ~= "integer" or n < 1 then error("chunk: n is a whole number from 1", 2) end
  return split(x, math.max(1, (x:size(dim) + n - 1) // n), dim)
end

---Sets the arithmetic metamethods on the tensor's metatable, and the short names as methods and functions.
---Comparisons stay methods (x:eq(y)): Lua turns the results of comparison metamethods into booleans.
---@param meta table the tensor's metatable
function operators.install(meta)
  local metamethod = {
    __add = core.add, __sub = core.sub, __mul = core.mul, __div = core.div, __pow = core.pow,
  }
  for name, f in pairs(metamethod) do meta[name] = f end
  meta.__unm = function(x) return core.neg(x) end
  for name, f in pairs { view = core.reshape, masked_fill = masked_fill, split = split, chunk = chunk } do
    core[name], meta.methods[name] = f, f
  end
  for name, f in pairs { float = float, double = double, long = long } do meta.methods[name] = f end
end

return operators
