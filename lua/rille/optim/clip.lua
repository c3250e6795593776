-- Gradient clipping by the norm over all tensors together.

local core = require "rille.core"
local check = require "rille.util.check"

---Gradients scaled so that their common norm is at most `most`: factor min(1, most / (norm + 1e-6)), as in
---PyTorch. The given list stays as it is; the result is the same list where nothing had to be scaled.
---@param grads rille.Tensor[]
---@param most number
---@return rille.Tensor[] clipped, number norm before
return function(grads, most)
  check.number("clip_grad_norm", "most", most, 0)
  local norm = core.list_norm(grads)
  local factor = most / (norm + 1e-6)
  if factor >= 1 then return grads, norm end
  return core.combine({ grads }, { factor }), norm
end
