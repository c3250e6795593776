-- GLS: the geometric mean of the losses. Source: MultiNet++, CVPR Workshops 2019.

local scaled = require "rille.gating.scaled"

---Make the gate.
---
---Loss:   (product of L_k)^(1/K), by logarithms: w_k = mean / (K L_k).
---Raises: for a loss that is not positive.
---Source: Chennupati et al. 2019, MultiNet++.
---@param opts? table those of gating/scaled.lua
---@return table gate
return function(opts)
  return scaled("gating.gls", opts, {}, function()
    return function(L, view)
      local sum, w = 0, {}
      for k, v in ipairs(L) do
        if v <= 0 then
          local text = 'gating.gls: loss "%s" is %g; the geometric mean takes positive losses'
          error(text:format(view.names[k], v), 0)
        end
        sum = sum + math.log(v)
      end
      local mean = math.exp(sum / #L)
      for k, v in ipairs(L) do w[k] = mean / (#L * v) end
      return w
    end
  end)
end
