-- wave(shape, seed, options): the i-th element (row-major, from 1) is 1.5 sin(1.7 i + 0.31 i^2 + seed).
-- The references in the specs were computed from the same numbers.
local rl = require "rille"

return function(shape, seed, options)
  local n, values = 1, {}
  for _, s in ipairs(shape) do n = n * s end
  for i = 1, n do values[i] = 1.5 * math.sin(1.7 * i + 0.31 * i * i + seed) end
  return rl.tensor(values, options):reshape(shape)
end
