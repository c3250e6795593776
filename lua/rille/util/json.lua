-- JSON, as the engine reads and writes it: integers stay integers, floats round-trip, damage is an error.
local io = require "rille.core".io

local json = {}

---@param text string
---@return any value; raises with the place of the damage
function json.decode(text)
  local value, why = io.json_decode(text)
  if value == nil and why then error(why, 2) end
  return value
end

---@param value any tables, strings, finite numbers, booleans
---@return string
function json.encode(value)
  local text, why = io.json_encode(value)
  if not text then error(why, 2) end
  return text
end

return json
