-- Options of rules, from a short description of each: { 0.5, 0, 1 } is a number with its default and range,
-- { "hard", "soft" } one of these words, true or false a boolean, { any = v } anything with the default v.

local check = require "rille.util.check"

local function default_of(spec)
  if type(spec) ~= "table" then return spec end
  if spec.any ~= nil then return spec.any end
  return spec[1]
end

local function check_one(who, name, v, spec)
  if type(spec) == "boolean" then return check.boolean(who, name, v) end
  if spec.any ~= nil then return v end
  if type(spec[1]) == "string" then return check.word(who, name, v, spec) end
  return check.number(who, name, v, spec[2], spec[3])
end

local function read(who, given, specs)
  local defaults = {}
  for name, spec in pairs(specs) do defaults[name] = default_of(spec) end
  local o = check.options(who, given, defaults)
  for name in pairs(given or {}) do check_one(who, name, o[name], specs[name]) end
  return o
end

---Lay given options over the defaults and check them.
---Raises: "WHO: ..." for an unknown option, with the nearest valid one, and for a value out of its range.
---@param who string
---@param given table?
---@param specs table<string, any> of the rule
---@param more? table<string, any> of all rules of its kind
---@return table
return function(who, given, specs, more)
  local all = {}
  for name, spec in pairs(more or {}) do all[name] = spec end
  for name, spec in pairs(specs) do all[name] = spec end
  local ok, o = pcall(read, who, given, all)
  if not ok then error((tostring(o):gsub("^[^:]+:%d+: ", "")), 0) end
  return o
end
