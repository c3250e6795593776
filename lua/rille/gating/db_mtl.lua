-- DB-MTL: losses on a logarithmic scale, gradients of one length. Source: arXiv:2308.12029.

local core = require "rille.core"
local dense = require "rille.gating.dense"

---Make the gate.
---
---Update: y_k <- b y_k + (1 - b) grads[k] / L_k, b = beta / t^sigma; each y_k at the length of the longest;
---        their sum.
---        What loss k alone moves gets grads[k] / L_k.
---State:  y[NAME] (tensors, from zeros), t.
---Source: Lin et al. 2023, arXiv:2308.12029.
---@param opts? { beta: number, sigma: number } default 0.9, 0; and those of gating/dense.lua
---@return table gate
return function(opts)
  return dense("gating.db_mtl", opts, { beta = { 0.9, 0, 1 }, sigma = { 0, 0 } }, function(o)
    return function(G, view)
      local state, y, w, own, extra, top = view.state, {}, {}, {}, {}, 0
      state.y, state.t = state.y or {}, (state.t or 0) + 1
      local b = o.beta / state.t ^ o.sigma
      for k, name in ipairs(view.names) do
        own[k] = 1 / ((view.values[k] or 1) + 1e-8)
        local before = state.y[name]
        y[k] = before and core.combine({ before, G[k] }, { b, (1 - b) * own[k] })
          or core.combine({ G[k] }, { (1 - b) * own[k] })
        state.y[name], w[k] = y[k], core.list_norm(y[k])
        top = math.max(top, w[k])
      end
      for k, name in ipairs(view.names) do
        w[k] = top / (w[k] + 1e-8)
        extra["weight_" .. name] = w[k]
      end
      return core.combine(y, w), extra, own
    end
  end)
end
