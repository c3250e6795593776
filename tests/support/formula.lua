-- Weights and inputs by formula, so that another program can make the same, and one number that every element
-- moves.
local rl = require "rille"

local formula = {}

-- v[i] = sin(1.3 i p + p) scale + shift, i row by row from 1; f64
function formula.wave(p, shape, scale, shift)
  local n = 1
  for _, s in ipairs(shape) do n = n * s end
  local i = rl.arange(n, { dtype = "f64" })
  return (rl.sin(i * 1.3 * p + p) * (scale or 1) + (shift or 0)):reshape(shape)
end

-- Fills every parameter of a model: p is its place in the state dict, spread(shape) gives scale and shift.
function formula.fill(m, spread)
  local state = {}
  for p, s in ipairs(m:named_state()) do
    state[s.name] = s.kind == "parameter" and formula.wave(p, s.tensor.shape, spread(s.tensor.shape))
      or s.tensor
  end
  m:load_state_dict(state)
  return m
end

-- The sum of element i times cos(i).
function formula.code(t)
  return (t:detach():reshape({ -1 }) * rl.cos(rl.arange(t:numel(), { dtype = "f64" }))):sum():item()
end

return formula
