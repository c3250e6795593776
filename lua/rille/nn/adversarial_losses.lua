-- Losses of a discriminator with one class more than there are, the last one "this is made": the
-- semi-supervised game of "Improved Techniques for Training GANs", arXiv:1606.03498, section 5. All take
-- logits N x (K + 1), Q = softmax of them, and give the mean over the rows that count; without any, 0.

local core = require "rille.core"
local check = require "rille.util.check"
local mean_of = require "rille.nn.mean_where"

local losses = {}

-- ln(1 - Q(last)) per row, without a difference that cancels.
local function log_real(who, logits)
  local shape = logits.shape
  if #shape ~= 2 or shape[2] < 2 then
    error(("%s: the logits are %s; they must be N x (classes + 1)"):format(who, check.shape_text(shape)), 3)
  end
  local first = logits:narrow(2, 1, shape[2] - 1)
  return core.log_softmax(logits, -1):select(2, 1) - core.log_softmax(first, -1):select(2, 1)
end

-- -ln Q(label) per row, of class 1 where there is no label.
local function named(logits, label)
  local index = label:maximum(core.ones(label.shape, { dtype = "i64" })):unsqueeze(2)
  return -core.log_softmax(logits, -1):gather(index, 2):squeeze(2)
end

---Real pairs: -ln Q(label); where the label is 0 (unknown), -ln(1 - Q(made)).
---@param logits rille.Tensor
---@param label rille.Tensor N (i64), 0 to K
---@param has? rille.Tensor N (bool) which rows count
---@return rille.Tensor scalar
function losses.real_loss(logits, label, has)
  local unknown = -log_real("real_loss", logits)
  return mean_of(core.where(label:gt(0), named(logits, label), unknown), has)
end

---Made pairs, as the discriminator sees them: -ln Q(made). With n, the mean over the first n rows plus the
---mean over the others, where there are any.
---@param logits rille.Tensor
---@param n? integer
---@return rille.Tensor scalar
function losses.fake_loss(logits, n)
  local l, all = -core.log_softmax(logits, -1):select(2, logits.shape[2]), logits.shape[1]
  if not n or n == all then return l:mean() end
  return l:narrow(1, 1, n):mean() + l:narrow(1, n + 1, all - n):mean()
end

---Made pairs, as their maker wants them seen: -ln(1 - Q(made)).
---@param logits rille.Tensor
---@return rille.Tensor scalar
function losses.fool_loss(logits) return -log_real("fool_loss", logits):mean() end

---Cross-entropy over the rows of `has` with a label. Of the first K logits of a made pair it is its class
---given that it were real, -ln(Q(label) / (1 - Q(made))).
---@param logits rille.Tensor N x K
---@param label rille.Tensor N (i64), 0 to K; 0: unknown
---@param has? rille.Tensor N (bool) which rows count
---@return rille.Tensor scalar
function losses.label_loss(logits, label, has)
  local known = label:gt(0)
  return mean_of(named(logits, label), has and known:logical_and(has) or known)
end

return losses
