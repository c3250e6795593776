-- DualProj: the mean gradient, projected to where no loss rises. Source: arXiv:1706.08840 (GEM).

local linear = require "rille.gating.linear"
local solvers = require "rille.gating.solvers"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: the nearest d to the mean gradient with <d, grads[k]> >= 0 for every k; exact.
---Source: Lopez-Paz and Ranzato 2017, arXiv:1706.08840.
---@param opts? table those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.dualproj", opts, {}, function()
    return function(M)
      local mean = linear.full(#M, 1 / #M)
      local w = solvers.quadratic(M, linear.times(M, mean))
      for k = 1, #M do w[k] = w[k] + 1 / #M end
      return w
    end
  end)
end
