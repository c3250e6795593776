-- Nash-MTL: the update on which the losses, as bargainers, agree. Source: arXiv:2202.01017.

local linear = require "rille.gating.linear"
local solvers = require "rille.gating.solvers"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: sum of a_k grads[k], a > 0 with M a = 1/a elementwise; shortened to max_norm (0: left as it is;
---        without it the length is the root of the number of losses). Opposite gradients cancel.
---Source: Navon et al. 2022, arXiv:2202.01017; solved by Newton's method instead of a sequence of cone
---        programs.
---@param opts? { max_norm: number } default 1; and those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.nash_mtl", opts, { max_norm = { 1, 0 } }, function(o)
    return function(M)
      local a = solvers.fair(M, 1)
      local norm = math.max(linear.dot(a, linear.times(M, a)), 0) ^ 0.5
      if o.max_norm > 0 and norm > o.max_norm then
        for k = 1, #a do a[k] = a[k] * o.max_norm / norm end
      end
      return a
    end
  end)
end
