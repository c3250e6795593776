-- FairGrad: every loss falls so that its fall is alpha-fair. Source: arXiv:2402.15638.

local solvers = require "rille.gating.solvers"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: sum of a_k grads[k], a > 0 with M a = a^(-1/alpha) elementwise. alpha = 1 is Nash-MTL without its
---        bound on the norm, alpha towards 0 the plain sum, large alpha the fairness of the worst.
---Source: Ban and Ji 2024, arXiv:2402.15638.
---@param opts? { alpha: number } default 2; and those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.fairgrad", opts, { alpha = { 2, 1e-3 } }, function(o)
    return function(M) return solvers.fair(M, 1 / o.alpha) end
  end)
end
