-- Random weights of the gradients. Source: arXiv:2111.10603.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: sum of w_k grads[k], w the soft-max of standard normals, drawn anew at each step from seed and
---        step. What one loss alone moves keeps weight 1; `rlw` scales that, too.
---Source: Lin et al. 2021, arXiv:2111.10603.
---@param opts? table those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.random", opts, {}, function()
    return function(M, view)
      local draw, w = view.random(), {}
      for k = 1, #M do w[k] = numbers.normal(draw) end
      return linear.softmax(w)
    end
  end)
end
