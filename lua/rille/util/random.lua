-- A small stream of random integers apart from the engine's, for resampling and orders: SplitMix64 (Steele,
-- Lea and Flood, OOPSLA 2014). The same seed gives the same numbers everywhere.

---@param seed integer
---@return fun(n: integer): integer draw uniform in 1 .. n
return function(seed)
  local state = math.tointeger(seed)
  if not state then error("random: the seed is an integer, not " .. tostring(seed), 2) end
  return function(n)
    state = state + 0x9E3779B97F4A7C15
    local z = state
    z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ~ (z >> 27)) * 0x94D049BB133111EB
    z = z ~ (z >> 31)
    return 1 + (((z >> 32) * n) >> 32)
  end
end
