-- MoDo: MGDA whose weights follow two independent mini-batches. Source: arXiv:2305.20057 (JMLR 2024).

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: sum of w_k grads[k] of the whole batch; w, on the simplex, moves by one projected step:
---        w <- project(w - gamma (A w + rho w)), A the products of the gradients on the two halves of the
---        batch. So a step costs two passes over a half besides; their batch norms see halves, and running
---        statistics stay.
---State:  lambda[NAME], from 1/K.
---Source: Chen et al. 2024, Three-Way Trade-Off in Multi-Objective Learning.
---@param opts? { gamma: number, rho: number } default 0.1, 0.1; and those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.modo", opts, { gamma = { 0.1, 0 }, rho = { 0.1, 0 } }, function(o)
    return function(M, view)
      local kept, w = numbers.of(view.state, "lambda", view.names, 1 / #M), {}
      for a, name in ipairs(view.names) do w[a] = kept[name] end
      local slope = linear.times(view.halves(), w)
      for a = 1, #w do w[a] = w[a] - o.gamma * (slope[a] + o.rho * w[a]) end
      w = linear.to_simplex(w)
      for a, name in ipairs(view.names) do kept[name] = w[a] end
      return w
    end
  end)
end
