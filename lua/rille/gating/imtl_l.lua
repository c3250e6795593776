-- IMTL-L: each loss has a learnt scale. Source: Liu et al., ICLR 2021.

local numbers = require "rille.gating.numbers"
local scaled = require "rille.gating.scaled"

---Make the gate.
---
---Loss:   sum of exp(s_k) L_k - s_k, s learnt from 0 by Adam at rate lr (default: the stage's own).
---State:  s[NAME], and Adam's moments.
---Source: Liu et al., Towards Impartial Multi-task Learning, ICLR 2021.
---@param opts? { lr: number } and those of gating/scaled.lua
---@return table gate
return function(opts)
  return scaled("gating.imtl_l", opts, { lr = { 0, 0 } }, function(o)
    return function(L, view)
      local s, w, slopes, extra = numbers.of(view.state, "s", view.names, 0), {}, {}, {}
      for k, name in ipairs(view.names) do
        w[k], extra["s_" .. name] = math.exp(s[name]), s[name]
        slopes[name] = w[k] * L[k] - 1
      end
      numbers.adam(view.state, "s", slopes, o.lr > 0 and o.lr or view.lr or 1e-3)
      return w, extra
    end
  end)
end
