-- ConFIG: the direction with the same cosine to every gradient. Source: arXiv:2408.11104.

local linear = require "rille.gating.linear"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: (sum over k of <grads[k], u>) u, u = pinv(unit gradients) 1 at length 1. Zero where no such
---        direction is (opposite gradients).
---Source: Liu, Chu, Thuerey 2024, arXiv:2408.11104.
---@param opts? table those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.config", opts, {}, function()
    return function(M)
      local C, norms = linear.unit(M)
      local v = linear.pinv(C, linear.full(#M, 1))
      local along = linear.times(C, v)
      local size2, length = linear.dot(v, along), linear.dot(along, norms)
      if size2 < 1e-20 then return linear.full(#M, 0) end
      for k = 1, #M do v[k] = length / size2 * v[k] / norms[k] end
      return v
    end
  end)
end
