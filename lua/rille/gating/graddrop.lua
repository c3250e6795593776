-- GradDrop: in each coordinate one sign is drawn, and the parts of the other are left out. Source:
--           arXiv:2010.06808.

local dense = require "rille.gating.dense"
local rl = require "rille"

-- One parameter: P = (1 + sum g / sum |g|) / 2; positive parts stay where P > U, negative ones where P < U.
local function drop(list)
  local sum, size = list[1], list[1]:abs()
  for k = 2, #list do sum, size = sum + list[k], size + list[k]:abs() end
  local draw = rl.rand(sum.shape, { dtype = sum.dtype })
  local none = rl.zeros(sum.shape, { dtype = sum.dtype })
  local ahead = (sum + size):gt(draw * size * 2) -- P > U without a division: 0 / 0 where all are 0
  local out = none
  for _, g in ipairs(list) do
    local keeps = rl.where(ahead, g:gt(0), g:lt(0))
    out = out + rl.where(keeps, g, none)
  end
  return out
end

---Make the gate.
---
---Update: per coordinate, P = (1 + sum of g_k / sum of |g_k|) / 2 is the chance that the positive parts stay
---        and the negative ones go; the sum of what stays. The draw is the run's own random stream, so a run
---        can be repeated.
---        The paper works on the last shared activation: at = "NAME" of an output.
---Source: Chen et al. 2020, arXiv:2010.06808.
---@param opts? table those of gating/dense.lua
---@return table gate
return function(opts)
  return dense("gating.graddrop", opts, {}, function()
    return function(G, view)
      local update = {}
      for s = 1, #view.at do
        local list = {}
        for k = 1, #G do list[k] = G[k][s] end
        update[s] = drop(list)
      end
      return update
    end
  end)
end
