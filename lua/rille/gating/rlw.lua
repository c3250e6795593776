-- RLW: random weights of the losses. Source: arXiv:2111.10603.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local scaled = require "rille.gating.scaled"

---Make the gate.
---
---Update: sum of w_k grads[k], w the soft-max of standard normals, drawn anew at each step from seed and
---        step; the weights sum to 1.
---Source: Lin et al. 2021, arXiv:2111.10603.
---@param opts? table those of gating/scaled.lua
---@return table gate
return function(opts)
  return scaled("gating.rlw", opts, {}, function()
    return function(L, view)
      local draw, w = view.random(), {}
      for k = 1, #L do w[k] = numbers.normal(draw) end
      return linear.softmax(w)
    end
  end)
end
