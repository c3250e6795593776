-- The sum of the losses' logarithms.

local scaled = require "rille.gating.scaled"

---Make the gate.
---
---Loss:   sum of ln L_k: w_k = 1 / L_k.
---Raises: for a loss that is not positive.
---Source: the scale-invariant baseline of Navon et al. 2022, arXiv:2202.01017.
---@param opts? table those of gating/scaled.lua
---@return table gate
return function(opts)
  return scaled("gating.scale_invariant", opts, {}, function()
    return function(L, view)
      local w = {}
      for k, v in ipairs(L) do
        if v <= 0 then
          local text = 'gating.scale_invariant: loss "%s" is %g; its logarithm needs it positive'
          error(text:format(view.names[k], v), 0)
        end
        w[k] = 1 / v
      end
      return w
    end
  end)
end
