-- MoCo: MGDA on moving averages of the gradients. Source: Fernando et al., ICLR 2023.

local core = require "rille.core"
local dense = require "rille.gating.dense"
local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"

local function zeros_like(list)
  local weights = {}
  for s = 1, #list do weights[s] = { 0 } end
  return core.combine({ list }, weights)
end

local function slope(lists, w, rho)
  local out = linear.full(#lists, 0)
  for k = 1, #lists do
    for l = 1, #lists do out[k] = out[k] + core.list_dot(lists[k], lists[l]) * w[l] end
    out[k] = out[k] + rho * w[k]
  end
  return out
end

---Make the gate.
---
---Update: y_k <- y_k + b (L_k grads[k] / |grads[k]| - y_k), b = beta / t^beta_sigma; w <- softmax(w - c (Y Y'
---        + rho) w), c = gamma / t^gamma_sigma; the sum of w_k y_k.
---State:  y[NAME] (tensors, from zeros), lambda[NAME] (from 1/K), t.
---Source: Fernando et al. 2023, Mitigating Gradient Bias in Multi-objective Learning; constants as in LibMTL.
---@param opts? { beta: number, beta_sigma: number, gamma: number, gamma_sigma: number, rho: number } default
---  0.5, 0.5,
---  0.1, 0.5, 0; and those of gating/dense.lua
---@return table gate
return function(opts)
  local specs = { beta = { 0.5, 0, 1 }, beta_sigma = { 0.5, 0 }, gamma = { 0.1, 0 }, gamma_sigma = { 0.5, 0 },
    rho = { 0, 0 } }
  return dense("gating.moco", opts, specs, function(o)
    return function(G, view)
      local state, y, w, extra = view.state, {}, {}, {}
      state.y, state.t = state.y or {}, (state.t or 0) + 1
      local kept, b = numbers.of(state, "lambda", view.names, 1 / #G), o.beta / state.t ^ o.beta_sigma
      for k, name in ipairs(view.names) do
        local size = (view.values[k] or 1) / (core.list_norm(G[k]) + 1e-8)
        y[k] = core.combine({ state.y[name] or zeros_like(G[k]), G[k] }, { 1 - b, b * size })
        state.y[name], w[k] = y[k], kept[name]
      end
      local down = slope(y, w, o.rho)
      for k = 1, #w do w[k] = w[k] - o.gamma / state.t ^ o.gamma_sigma * down[k] end
      w = linear.softmax(w)
      for k, name in ipairs(view.names) do kept[name], extra["weight_" .. name] = w[k], w[k] end
      return core.combine(y, w), extra
    end
  end)
end
