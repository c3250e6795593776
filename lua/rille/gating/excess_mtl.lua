-- ExcessMTL: losses that are still far from their best weigh more. Source: ICML 2024 (He et al.).

local core = require "rille.core"
local dense = require "rille.gating.dense"
local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"

-- Sum over coordinates of g^2 / sqrt(sum over time of g^2), the excess risk in a diagonal model.
local function excess(list, sums)
  local e = 0
  for s, g in ipairs(list) do
    local square = g:square()
    sums[s] = sums[s] and sums[s] + square or square
    e = e + (square / (sums[s] + 1e-7):sqrt()):to("f64"):sum():item()
  end
  return e
end

---Make the gate.
---
---Update: sum of w_k grads[k]; w_k <- w_k exp(eta e_k / e_k(0)), brought to sum 1; e_k = sum of g^2 /
---        sqrt(the sum of g^2 over all steps so far).
---State:  squares[NAME] (tensors), w[NAME] (from 1/K), first[NAME].
---Source: He et al. 2024, Robust Multi-Task Learning with Excess Risks. Its code takes e_k itself at the
---        first step; here each ratio is then 1.
---@param opts? { eta: number } default 1; and those of gating/dense.lua
---@return table gate
return function(opts)
  return dense("gating.excess_mtl", opts, { eta = { 1, 0 } }, function(o)
    return function(G, view)
      local state, w, extra = view.state, {}, {}
      local kept = numbers.of(state, "w", view.names, 1 / #G)
      state.squares, state.first = state.squares or {}, state.first or {}
      for k, name in ipairs(view.names) do
        state.squares[name] = state.squares[name] or {}
        local e = excess(G[k], state.squares[name])
        state.first[name] = state.first[name] or e
        w[k] = math.log(kept[name]) + o.eta * e / (state.first[name] + 1e-30)
      end
      w = linear.softmax(w)
      for k, name in ipairs(view.names) do
        kept[name], extra["weight_" .. name] = math.max(w[k], 1e-30), w[k]
      end
      return core.combine(G, w), extra
    end
  end)
end
