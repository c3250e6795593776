-- Products of the gradients on one half of the batch with those on the other: two independent mini-batches
-- give an unbiased estimate of the true gradients' products, one alone does not.

local core = require "rille.core"

---@param m table of measure.of
---@param ctx table halves() -> { grads, grads } of the two halves
---@param members integer[] places of parameters; those that two losses or more reach count
---@return number[][] A A[k][l] = <gradient of loss k on half 1, of loss l on half 2>; not symmetric
return function(m, ctx, members)
  if not ctx.halves then
    error(m.who .. ": needs the gradients on two halves of the batch; give ctx.halves() -> { grads, grads }",
      0)
  end
  local lists, A, K = {}, {}, m.K
  for h, grads in ipairs(ctx.halves()) do
    for k = 1, K do lists[(h - 1) * K + k] = grads[k] end
  end
  local gram = core.gram(lists)
  for k = 1, K do
    A[k] = {}
    for l = 1, K do
      A[k][l] = 0
      for _, i in ipairs(members) do
        if m.shared[i] > 1 then A[k][l] = A[k][l] + gram[i][(k - 1) * 2 * K + K + l] end
      end
    end
  end
  return A
end
