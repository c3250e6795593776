-- IMTL-G: the combination that is equally long along every gradient. Source: Liu et al., ICLR 2021.

local linear = require "rille.gating.linear"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: sum of w_k grads[k], sum of w = 1, with the same product with every unit gradient: w = v / sum v,
---        v = pinv(M) d, d_k = |grads[k]|. Weights may be negative; the update is zero where the sum of v is
---        0 (opposite gradients of one length).
---Source: Liu et al., Towards Impartial Multi-task Learning, ICLR 2021, in the form of arXiv:2406.16232 for
---        gradients that depend on each other.
---@param opts? table those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.imtl_g", opts, {}, function()
    return function(M)
      local norms, sum, size = {}, 0, 0
      for k = 1, #M do norms[k] = M[k][k] ^ 0.5 end
      local v = linear.pinv(M, norms)
      for k = 1, #M do sum, size = sum + v[k], size + math.abs(v[k]) end
      if size == 0 or math.abs(sum) < 1e-10 * size then return linear.full(#M, 0) end
      return linear.share(v)
    end
  end)
end
