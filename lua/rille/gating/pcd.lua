-- PCD: the main gradient, as near as the other losses' progress allows. Source: arXiv:2606.29521.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local solvers = require "rille.gating.solvers"
local weighted = require "rille.gating.weighted"

-- 1 / sqrt(moving average of the squared norm, corrected for its start).
local function scales(M, view, o)
  local v, out = numbers.of(view.state, "v", view.names, 0), {}
  view.state.t = (view.state.t or 0) + 1
  for a, name in ipairs(view.names) do
    v[name] = o.beta * v[name] + (1 - o.beta) * M[a][a]
    out[a] = (v[name] / (1 - o.beta ^ view.state.t) + o.eps) ^ -0.5
  end
  return out
end

-- Multipliers of the constraints; nil when they cannot all hold.
local function multipliers(H, main, tau)
  local Q, c, place, top = {}, {}, {}, 0
  for j = 1, #H do
    top = math.max(top, H[j][j])
    if j ~= main then place[#place + 1] = j end
  end
  for a, j in ipairs(place) do
    Q[a], c[a] = {}, H[main][j] - tau * H[j][j]
    for b, i in ipairs(place) do Q[a][b] = H[j][i] end
  end
  local mu, w = solvers.quadratic(Q, c), linear.full(#H, 0)
  local slack = linear.times(Q, mu)
  w[main] = 1
  for a, j in ipairs(place) do
    if slack[a] + c[a] < -1e-8 * top then return nil end
    w[j] = mu[a]
  end
  return w
end

---Make the gate.
---
---Update: with h_k = grads[k] / sqrt(v_k + eps), v_k the moving average of |grads[k]|^2: the nearest d to
---        h_main with
---        <d, h_j> >= tau |h_j|^2 for every other j, at the length of grads[main]. Constraints that cannot
---        all hold are dropped; without a main gradient the update is zero.
---State:  v[NAME], t.
---Record: held, 1 while the constraints can all hold.
---Source: arXiv:2606.29521.
---@param opts? { tau: number, beta: number, eps: number } default 0.02, 0.999, 1e-8; and those of
---  gating/weighted.lua
---@return table gate
return function(opts)
  local specs = { tau = { 0.02, 0, 1 }, beta = { 0.999, 0, 1 }, eps = { 1e-8, 0 } }
  return weighted("gating.pcd", opts, specs, function(o)
    return function(M, view)
      local s, main, H = scales(M, view, o), view.main, {}
      if not main then return linear.full(#M, 0), { held = 0 } end
      for a = 1, #M do
        H[a] = {}
        for b = 1, #M do H[a][b] = M[a][b] * s[a] * s[b] end
      end
      local found = multipliers(H, main, o.tau)
      local w = found or linear.full(#M, 0)
      w[main] = 1
      local size2 = linear.dot(w, linear.times(H, w))
      local factor = size2 > 1e-14 * H[main][main] and (M[main][main] / size2) ^ 0.5 or 0
      for a = 1, #w do w[a] = w[a] * s[a] * factor end
      return w, { held = found and 1 or 0 }
    end
  end, true)
end
