-- Trimmed mean: in each coordinate the extremes are left out. Source: Yin et al., ICML 2018.

local dense = require "rille.gating.dense"
local rl = require "rille"

---Make the gate.
---
---Update: per coordinate, the mean of the gradients without the `trim` largest and the `trim` smallest.
---Raises: when 2 trim losses or fewer have a gradient.
---Source: Yin et al. 2018, Byzantine-Robust Distributed Learning.
---@param opts? { trim: integer } default 1; and those of gating/dense.lua
---@return table gate
return function(opts)
  return dense("gating.trimmed_mean", opts, { trim = { 1, 0 } }, function(o)
    return function(G, view)
      if #G <= 2 * o.trim then
        local text = "gating.trimmed_mean: %d losses with a gradient; trim = %d needs more than %d"
        error(text:format(#G, o.trim, 2 * o.trim), 0)
      end
      local update = {}
      for s = 1, #view.at do
        local list = {}
        for k = 1, #G do list[k] = G[k][s] end
        local sorted = rl.sort(rl.stack(list, 1), 1)
        update[s] = sorted[{ { 1 + o.trim, #G - o.trim } }]:mean { dim = 1 }
      end
      return update
    end
  end)
end
