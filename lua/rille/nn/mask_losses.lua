-- Losses of masks: how far a predicted mask is from the drawn one. They take logits N x 1 x H x W, p =
-- sigmoid of them, and the mask g of the same shape in 0..1; sums run over the pixels of one image, then the
-- mean over the images. `has`, N (bool): only images that have a mask count, and without any the loss is 0.

local core = require "rille.core"
local check = require "rille.util.check"
local mean_of = require "rille.nn.mean_where"

local losses = {}

local TVERSKY = { alpha = 0.3, beta = 0.7, eps = 1e-6, has = check.none }

-- Both as N x pixels.
local function flat(who, logits, mask)
  if mask == nil then error(who .. ": there is no mask; fill the manifest's column mask", 3) end
  local a, b = logits.shape, mask.shape
  if #a < 2 or check.shape_text(a) ~= check.shape_text(b) then
    error(("%s: the logits are %s, the mask is %s; both must be N x 1 x H x W"):format(who,
      check.shape_text(a), check.shape_text(b)), 3)
  end
  local n = { a[1], logits:numel() // a[1] }
  return logits:reshape(n), mask:reshape(n)
end

-- Tversky's index per image, N.
local function index_of(p, g, o)
  local tp, said, real = (p * g):sum(-1), p:sum(-1), g:sum(-1)
  return (tp + o.eps) / (tp + (said - tp) * o.alpha + (real - tp) * o.beta + o.eps)
end

---1 - (TP + eps) / (TP + alpha FP + beta FN + eps), TP = sum p g, FP = sum p (1 - g), FN = sum (1 - p) g.
---Source: Salehi et al., arXiv:1706.05721; alpha weighs false alarms, beta misses (some codes swap them).
---@param logits rille.Tensor
---@param mask rille.Tensor
---@param opts? { alpha: number, beta: number, eps: number, has: rille.Tensor } default 0.3, 0.7, 1e-6
---@return rille.Tensor scalar
function losses.tversky_loss(logits, mask, opts)
  local o = check.options("tversky_loss", opts, TVERSKY)
  local x, g = flat("tversky_loss", logits, mask)
  return mean_of(1 - index_of(core.sigmoid(x), g, o), o.has)
end

---Tversky's loss with alpha = beta = 0.5: 1 - 2 sum p g / (sum p + sum g), smoothed by 2 eps.
---Source: Milletari et al., arXiv:1606.04797, with plain sums in the denominator.
---@param logits rille.Tensor
---@param mask rille.Tensor
---@param opts? { eps: number, has: rille.Tensor } default 1e-6
---@return rille.Tensor scalar
function losses.dice_loss(logits, mask, opts)
  local o = check.options("dice_loss", opts, { eps = 1e-6, has = check.none })
  return losses.tversky_loss(logits, mask, { alpha = 0.5, beta = 0.5, eps = o.eps, has = o.has })
end

---(1 - Tversky's index)^(1 / gamma): images that are nearly right weigh more than without the power.
---Source: Abraham, Khan, arXiv:1810.07842, equation 4; alpha and beta as in tversky_loss.
---@param logits rille.Tensor
---@param mask rille.Tensor
---@param opts? { alpha: number, beta: number, gamma: number, eps: number, has: rille.Tensor } gamma = 4/3
---@return rille.Tensor scalar
function losses.focal_tversky_loss(logits, mask, opts)
  local o = check.options("focal_tversky_loss", opts,
    { alpha = 0.3, beta = 0.7, gamma = 4 / 3, eps = 1e-6, has = check.none })
  local x, g = flat("focal_tversky_loss", logits, mask)
  local miss = (1 - index_of(core.sigmoid(x), g, o)):clamp { min = 1e-7 } -- the power has no slope at 0
  return mean_of(miss ^ (1 / check.number("focal_tversky_loss", "gamma", o.gamma, 0.01, 100)), o.has)
end

---Binary cross-entropy, the mean over an image's pixels.
---@param logits rille.Tensor
---@param mask rille.Tensor
---@param opts? { has: rille.Tensor }
---@return rille.Tensor scalar
function losses.mask_cross_entropy(logits, mask, opts)
  local o = check.options("mask_cross_entropy", opts, { has = check.none })
  local x, g = flat("mask_cross_entropy", logits, mask)
  if not o.has then return core.binary_cross_entropy_with_logits(x, g) end
  return mean_of(core.binary_cross_entropy_with_logits(x, g, { reduction = "none" }):mean(-1), o.has)
end

---tversky_loss + weight * mask_cross_entropy.
---@param logits rille.Tensor
---@param mask rille.Tensor
---@param opts? { weight: number, alpha: number, beta: number, eps: number, has: rille.Tensor } weight = 1
---@return rille.Tensor scalar
function losses.xe_tversky_loss(logits, mask, opts)
  local o = check.options("xe_tversky_loss", opts,
    { weight = 1, alpha = 0.3, beta = 0.7, eps = 1e-6, has = check.none })
  return losses.tversky_loss(logits, mask, { alpha = o.alpha, beta = o.beta, eps = o.eps, has = o.has })
    + losses.mask_cross_entropy(logits, mask, { has = o.has }) * o.weight
end

local function clipped_log(v) return v:clamp { min = 1e-7, max = 1 }:log() end

-- |g' ln(g' / p')| per pixel, v' = clip(v, 1e-7, 1).
local function divergence(p, g)
  local clipped = g:clamp { min = 1e-7, max = 1 }
  return ((clipped:log() - clipped_log(p)) * clipped):abs()
end

local READINGS = {
  foreground = function(p, g) return divergence(p, g):mean(-1) end,
  both = function(p, g) return (divergence(p, g) + divergence(1 - p, 1 - g)):mean(-1) end,
  normalised = function(p, g)
    local q, h = p / (p:sum { dim = { -1 }, keepdim = true } + 1e-7),
      g / (g:sum { dim = { -1 }, keepdim = true } + 1e-7)
    return (h * (clipped_log(h) - clipped_log(q))):sum(-1):abs()
  end,
}

---The absolute KL divergence of a mask, v' = clip(v, 1e-7, 1), in one of the readings of the published name:
---  "foreground"  the mean over the pixels of |g' ln(g' / p')|: charges misses only
---  "both"        that plus the same of the background, with 1 - g and 1 - p: with hard masks cross-entropy
---  "normalised"  |sum h ln(h' / q')|, h and q being g and p divided by their sums
---@param logits rille.Tensor
---@param mask rille.Tensor
---@param opts? { reading: string, has: rille.Tensor } default "foreground"
---@return rille.Tensor scalar
function losses.absolute_kl_loss(logits, mask, opts)
  local o = check.options("absolute_kl_loss", opts, { reading = "foreground", has = check.none })
  local reading = check.word("absolute_kl_loss", "reading", o.reading, { "foreground", "both", "normalised" })
  local x, g = flat("absolute_kl_loss", logits, mask)
  return mean_of(READINGS[reading](core.sigmoid(x), g), o.has)
end

---KLTV: tversky_loss + weight * absolute_kl_loss.
---Source: Imran, Terzopoulos, arXiv:1908.03693; the numbers are those of arXiv:1706.05721 and weight 1.
---@param logits rille.Tensor
---@param mask rille.Tensor
---@param opts? { weight: number, reading: string, alpha: number, beta: number, eps: number, has:
---  rille.Tensor }
---@return rille.Tensor scalar
function losses.kltv_loss(logits, mask, opts)
  local o = check.options("kltv_loss", opts, { weight = 1, reading = "foreground", alpha = 0.3, beta = 0.7,
    eps = 1e-6, has = check.none })
  return losses.tversky_loss(logits, mask, { alpha = o.alpha, beta = o.beta, eps = o.eps, has = o.has })
    + losses.absolute_kl_loss(logits, mask, { reading = o.reading, has = o.has }) * o.weight
end

---The mean of a loss over several outputs (deep supervision), of the first images where the masks are fewer.
---@param loss function one of these losses
---@param outputs rille.Tensor[] logits, N x 1 x H x W each
---@param mask rille.Tensor n x 1 x H x W, n <= N: of the first n images
---@param opts? table the loss's own
---@return rille.Tensor scalar
function losses.mean_over_outputs(loss, outputs, mask, opts)
  local sum
  for _, logits in ipairs(outputs) do
    if mask and logits.shape[1] > mask.shape[1] then logits = logits:narrow(1, 1, mask.shape[1]) end
    local one = loss(logits, mask, opts)
    sum = sum and sum + one or one
  end
  return sum / #outputs
end

return losses
