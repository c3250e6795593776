-- UPGrad: every gradient is projected to where no loss rises; then their mean. Source: arXiv:2406.16232.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local solvers = require "rille.gating.solvers"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: sum over i of the nearest d to p_i grads[i] with <d, grads[k]> >= 0 for every k; exact. p:
---        preferences, 1/K each by default.
---Source: Quinton and Rey 2024, arXiv:2406.16232.
---@param opts? { preference: table<string, number> } and those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.upgrad", opts, { preference = { any = "equal" } }, function(o)
    return function(M, view)
      local p, total = numbers.preference(o.preference, view.names, 1 / #M), linear.full(#M, 0)
      for i = 1, #M do
        local start = linear.full(#M, 0)
        start[i] = p[i]
        local v = solvers.quadratic(M, linear.times(M, start))
        for k = 1, #M do total[k] = total[k] + start[k] + v[k] end
      end
      return total
    end
  end)
end
