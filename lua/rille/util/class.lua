-- Classes: one table is class and method table, a call makes an object, class.new(name, base) makes a class
-- below.

local class = {}

---Make a class. `C(...)` makes an object, runs `C.prepare(object)` and then `C.init(object, ...)`, where they
---exist. A class below finds what it lacks in its base; metamethods are copied from the base as it stands
---now.
---@param name string used by tostring and in messages
---@param base? table
---@return table C
function class.new(name, base)
  local C = {}
  for key, value in pairs(base or {}) do
    if type(key) == "string" and key:sub(1, 2) == "__" then C[key] = value end
  end
  C.class_name, C.__name, C.base, C.__index = name, name, base, C
  return setmetatable(C, {
    __index = base,
    __call = function(_, ...)
      local object = setmetatable({}, C)
      if C.prepare then C.prepare(object) end
      if C.init then C.init(object, ...) end
      return object
    end,
    __tostring = function() return "class " .. name end,
  })
end

return class
