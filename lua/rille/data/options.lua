-- Options with defaults for rl.data: an unknown name is an error that lists the known ones.
local options = {}

---A new table: `defaults` with `given` laid over it. A default of false stands for "none".
---@param who string what messages begin with
---@param given table?
---@param defaults table
---@return table
function options.take(who, given, defaults)
  local out = {}
  for name, value in pairs(defaults) do out[name] = value end
  if given == nil then return out end
  if type(given) ~= "table" then error(("%s: options are a table, not %s"):format(who, type(given)), 3) end
  for name, value in pairs(given) do
    if defaults[name] == nil then
      local known = {}
      for k in pairs(defaults) do known[#known + 1] = k end
      table.sort(known)
      error(("%s: unknown option %s; known are %s"):format(who, tostring(name), table.concat(known, ", ")), 3)
    end
    out[name] = value
  end
  return out
end

return options
