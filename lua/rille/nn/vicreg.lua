-- Losses of self-supervised learning on embeddings of two views, and what tells whether they collapse.
-- VICReg: arXiv:2105.04906; SimSiam: arXiv:2011.10566; BYOL: arXiv:2006.07733.

local core = require "rille.core"
local check = require "rille.util.check"

local F = {}

local function matrices(who, a, b)
  local s, t = check.shape_text(a), check.shape_text(b)
  if #a.shape ~= 2 or s ~= t then
    error(("%s: takes two embeddings N x K of one shape, not %s and %s"):format(who, s, t), 3)
  end
end

local function centred(a) return a - a:mean { dim = 1, keepdim = true } end

-- The squares of the covariance's entries off the diagonal, summed, / K; a centred. `variance`: its diagonal.
local function off_diagonal(a, variance, form)
  local n, k = a.shape[1], a.shape[2]
  local product
  if form == "samples" or form == "auto" and n < k then
    product = a:matmul(a:t()) -- |A A'| = |A' A| in Frobenius norm
  else
    product = a:t():matmul(a)
  end
  local all = product:square():sum() * (1 / (n - 1) ^ 2)
  return (all - variance:square():sum()) * (1 / k)
end

local defaults = { eps = 1e-4, gamma = 1, form = "auto" }

---The three terms of VICReg, unweighted:
---  inv  mean over all entries of (a - b)^2
---  var  half of mean over dims of max(0, gamma - sqrt(var + eps)), of a and of b; variance over N - 1
---  cov  (sum of the squared covariances off the diagonal) / K, of a plus of b
---Shape: a, b N x K, N from 2 on -> three scalars.
---@param a rille.Tensor
---@param b rille.Tensor
---@param opts? { eps: number, gamma: number, form: string } default 1e-4, 1; form: of the product in cov,
---  "samples" (N x N), "dims" (K x K), "auto" (the smaller): the same value up to rounding
---@return { inv: rille.Tensor, var: rille.Tensor, cov: rille.Tensor }
function F.vicreg_terms(a, b, opts)
  local o = check.options("vicreg_terms", opts, defaults)
  check.word("vicreg_terms", "form", o.form, { "auto", "samples", "dims" })
  matrices("vicreg_terms", a, b)
  local n = a.shape[1]
  if n < 2 then error("vicreg_terms: needs at least two rows; raise the batch", 2) end
  local out = { inv = (a - b):square():mean() }
  for _, x in ipairs { a, b } do
    local z = centred(x)
    local variance = z:square():sum(1) * (1 / (n - 1))
    local hinge = core.relu(o.gamma - (variance + o.eps):sqrt()):mean() * 0.5
    local cov = off_diagonal(z, variance, o.form)
    out.var = out.var and out.var + hinge or hinge
    out.cov = out.cov and out.cov + cov or cov
  end
  return out
end

---VICReg's loss: invariance * inv + variance * var + covariance * cov of vicreg_terms.
---@param a rille.Tensor
---@param b rille.Tensor
---@param opts? { invariance: number, variance: number, covariance: number, form: string } default 25, 25, 1
---@return rille.Tensor loss
function F.vicreg_loss(a, b, opts)
  local o = check.options("vicreg_loss", opts, { invariance = 25, variance = 25, covariance = 1,
    form = "auto" })
  local t = F.vicreg_terms(a, b, { form = o.form })
  return t.inv * o.invariance + t.var * o.variance + t.cov * o.covariance
end

---Cosines of rows: N x K and N x K -> N. A row of zeros has cosine 0.
---@param a rille.Tensor
---@param b rille.Tensor
---@param opts? { eps: number } the smallest product of norms, default 1e-8
---@return rille.Tensor
function F.cosine_similarity(a, b, opts)
  local o = check.options("cosine_similarity", opts, { eps = 1e-8 })
  matrices("cosine_similarity", a, b)
  local norms = ((a:square():sum(2)) * (b:square():sum(2)) + o.eps ^ 2):sqrt()
  return (a * b):sum(2) / norms
end

---SimSiam: -(mean cosine of p1 and z2 + of p2 and z1) / 2; no gradient into z1 and z2.
---Shape: all N x K -> scalar in [-1, 1].
---@return rille.Tensor loss
function F.simsiam_loss(p1, p2, z1, z2)
  return (F.cosine_similarity(p1, z2:detach()):mean() + F.cosine_similarity(p2, z1:detach()):mean()) * -0.5
end

---BYOL: the mean squared distance of p1 and t2, both divided by their norms, plus that of p2 and t1; no
---gradient into the target's t1 and t2.
---Shape: all N x K -> scalar in [0, 8].
---@return rille.Tensor loss
function F.byol_loss(p1, p2, t1, t2)
  local cosines = F.cosine_similarity(p1, t2:detach()) + F.cosine_similarity(p2, t1:detach())
  return 4 - cosines:mean() * 2
end

---Binary cross-entropy of several labels per image: the mean over the entries that are known.
---Shape: logits N x K; labels N x K: 1, 0, or negative where nothing is known -> scalar, 0 if nothing is.
---@param logits rille.Tensor
---@param labels rille.Tensor
---@return rille.Tensor loss
function F.multilabel_loss(logits, labels)
  local known = labels:ge(0):to(logits.dtype)
  local truth = labels:to(logits.dtype):clamp { min = 0 }
  local all = core.binary_cross_entropy_with_logits(logits, truth, { reduction = "none" })
  return (all * known):sum() * (1 / math.max(1, known:sum():item()))
end

---A module's parameters follow those of another of its shape: target = keep target + (1 - keep) other. BYOL's
---target network; keep = 0 copies.
---@param target rille.Module
---@param other rille.Module
---@param keep number
function F.follow(target, other, keep)
  local from = other:state_dict()
  core.no_grad(function()
    for _, p in ipairs(target:named_parameters()) do
      p.tensor:add_((from[p.name] - p.tensor) * (1 - keep))
    end
  end)
end

---Whether embeddings collapse: `deviation`, the mean over dims of their standard deviation, and `rank`, the
---effective number of directions (sum of the covariance's eigenvalues)^2 / sum of their squares, from 1 to
---min(N - 1, K); 0 for rows that are all alike.
---@param a rille.Tensor N x K, N from 2 on
---@return { deviation: number, rank: number }
function F.collapse(a)
  return core.no_grad(function()
    local z, n = centred(a:detach()), a.shape[1]
    local variance = z:square():sum(1) * (1 / (n - 1))
    local product = n < a.shape[2] and z:matmul(z:t()) or z:t():matmul(z)
    local squares = product:square():sum():item()
    local trace = variance:sum():item() * (n - 1)
    return { deviation = variance:sqrt():mean():item(), rank = squares > 0 and trace ^ 2 / squares or 0 }
  end)
end

return F
