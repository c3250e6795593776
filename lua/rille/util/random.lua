-- A small stream of random integers apart from the engine's, for resampling and orders: SplitMix64 (Steele,
-- Lea and Flood, OOPSLA 2014). The same seed gives the same numbers everywhere.
local mix = require "rille.util.mix"

---@param seed integer
---@return fun(n: integer): integer draw uniform in 1 .. n
return function(seed)
  local state = math.tointeger(seed)
  if not state then error("random: the seed is an integer, not " .. tostring(seed), 2) end
  return function(n)
    state = state + 0x9E3779B97F4A7C15
    return 1 + (((mix(state) >> 32) * n) >> 32)
  end
end
