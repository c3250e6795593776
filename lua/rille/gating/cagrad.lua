-- CAGrad: near the mean gradient, the direction whose worst loss falls fastest. Source: arXiv:2110.14048.

local linear = require "rille.gating.linear"
local solvers = require "rille.gating.solvers"
local weighted = require "rille.gating.weighted"

local function length(M, w) return math.max(linear.dot(w, linear.times(M, w)), 0) ^ 0.5 end

-- The w of the simplex that minimises <g_w, g0> + radius |g_w|. |g_w| is the least of (|g_w|^2 / t + t) / 2
-- over t, so for each t there is a quadratic program, and t = |g_w| is found by halving.
local function worst(M, g0, radius)
  local lo, hi, w = 0, 0, nil
  for k = 1, #M do hi = math.max(hi, M[k][k] ^ 0.5) end
  for _ = 1, 46 do
    local t, Q = (lo + hi) / 2, {}
    for k = 1, #M do
      Q[k] = {}
      for l = 1, #M do Q[k][l] = M[k][l] * radius / t end
    end
    w = solvers.quadratic(Q, g0, true)
    if length(M, w) > t then lo = t else hi = t end
  end
  return w
end

---Make the gate.
---
---Update: g0 + c |g0| g_w / |g_w|, g0 the mean gradient, g_w = sum of w_k grads[k], w on the simplex
---        minimising
---        <g_w, g0> + c |g0| |g_w|; with rescale divided by 1 + c^2. Zero where g_w is (a stationary point).
---Source: Liu et al. 2021, arXiv:2110.14048.
---@param opts? { c: number, rescale: boolean } default 0.5, false; and those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.cagrad", opts, { c = { 0.5, 0 }, rescale = false }, function(o)
    return function(M)
      local K = #M
      local mean = linear.full(K, 1 / K)
      local g0, size = linear.times(M, mean), length(M, mean)
      if o.c == 0 or size == 0 then return linear.full(K, size == 0 and 0 or 1 / K) end
      local w = worst(M, g0, o.c * size)
      local norm, top = length(M, w), length(M, linear.full(K, 1 / K))
      if norm <= 1e-6 * top then return linear.full(K, 0) end
      for k = 1, K do w[k] = (1 / K + o.c * size / norm * w[k]) / (o.rescale and 1 + o.c ^ 2 or 1) end
      return w
    end
  end)
end
