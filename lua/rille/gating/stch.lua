-- STCH: a smooth maximum of the weighted losses. Source: arXiv:2402.19078.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local scaled = require "rille.gating.scaled"

---Make the gate.
---
---Loss:   mu ln sum of exp(p_k (L_k - z_k) / mu): w = p softmax(p (L - z) / mu). p: preferences, 1/K each by
---        default; z: the best values one hopes for, 0 by default.
---Source: Lin et al. 2024, arXiv:2402.19078.
---@param opts? { mu: number, preference: table<string, number>, ideal: table<string, number> } default 1; and
---  those
---  of gating/scaled.lua
---@return table gate
return function(opts)
  local specs = { mu = { 1, 1e-6 }, preference = { any = "equal" }, ideal = { any = 0 } }
  return scaled("gating.stch", opts, specs, function(o)
    return function(L, view)
      local p = numbers.preference(o.preference, view.names, 1 / #L)
      local z = numbers.preference(o.ideal, view.names, 0)
      local high = {}
      for k = 1, #L do high[k] = p[k] * (L[k] - z[k]) / o.mu end
      local w = linear.softmax(high)
      for k = 1, #L do w[k] = w[k] * p[k] end
      return w
    end
  end)
end
