-- MGDA: the shortest convex combination of the gradients. Source: arXiv:1810.04650.

local solvers = require "rille.gating.solvers"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: sum of w_k grads[k], w the weights >= 0 with sum 1 of the shortest such vector; exact. It is zero
---        where the gradients cancel, and the gradient itself where they are parallel and the shorter one is
---        alone.
---Record: weight_NAME, open (share of losses with a weight above 0), cosines and norms, also per layer.
---Source: Desideri 2012; Sener and Koltun 2018, arXiv:1810.04650. With at = "NAME" of an output, the recipe's
---        gate works on the gradients there: MGDA-UB.
---@param opts? table those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.mgda", opts, {}, function()
    return function(M) return solvers.quadratic(M, nil, true) end
  end)
end
