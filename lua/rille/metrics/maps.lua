-- Saliency maps against radiologists' maps, image by image. Source: the public code of arXiv:2403.16970 for
-- CC, HS and KL; arXiv:1604.03605 for KLD and SIM.

local core = require "rille.core"
local images = require "rille.metrics.images"

local maps = {}

local EPS = 2.2204e-16 -- of the benchmark

local along = { dim = -1, keepdim = true }

---CC: Pearson's correlation over pixels, in two passes. Undefined (false) where a map is constant.
---@param q rille.Tensor
---@param g rille.Tensor
---@return (number|false)[] per image
function maps.cc(q, g)
  local a, b = images.pair("metrics.cc", q, g)
  a, b = a - core.mean(a, along), b - core.mean(b, along)
  local aa, bb, ab = (a * a):sum(-1):tolist(), (b * b):sum(-1):tolist(), (a * b):sum(-1):tolist()
  local out = {}
  for i = 1, #ab do out[i] = aa[i] > 0 and bb[i] > 0 and ab[i] / (aa[i] ^ 0.5 * bb[i] ^ 0.5) end
  return out
end

---HS: histogram intersection, sum over pixels of min(q, g), both divided by their sums. No min-max scaling
---(that is SIM, another number). Undefined (false) for a zero map.
---@param q rille.Tensor
---@param g rille.Tensor
---@return (number|false)[] per image
function maps.hs(q, g)
  local a, b = images.pair("metrics.hs", q, g)
  local p, no_p = images.density(a)
  local r, no_r = images.density(b)
  local out = core.minimum(p, r):sum(-1):tolist()
  return images.undefined_where(images.undefined_where(out, no_p), no_r)
end

local function scaled(x) -- each row to [0, 1]; a constant row becomes NaN
  local low = core.min(x, along)
  return (x - low) / (core.max(x, along) - low)
end

---SIM: sum over pixels of min(q, g), both scaled to [0, 1] by their least and largest value and then divided
---by their sums. Not HS. Undefined (false) for a constant map.
---@param q rille.Tensor
---@param g rille.Tensor
---@return (number|false)[] per image
function maps.sim(q, g)
  local a, b = images.pair("metrics.sim", q, g)
  local p, no_p = images.density(scaled(a))
  local r, no_r = images.density(scaled(b))
  local out = core.minimum(p, r):sum(-1):tolist()
  return images.undefined_where(images.undefined_where(out, no_p), no_r)
end

---KLD of the benchmark: sum g ln(eps + g/(q + eps)), both divided by their sums, eps = 2.2204e-16. Takes any
---maps, not logits; another number than saliency_kl. Undefined (false) for a zero map.
---@param q rille.Tensor
---@param g rille.Tensor
---@return (number|false)[] per image
function maps.kld(q, g)
  local a, b = images.pair("metrics.kld", q, g)
  local p, no_p = images.density(a)
  local r, no_r = images.density(b)
  local out = (r * core.log(r / (p + EPS) + EPS)):sum(-1):tolist()
  return images.undefined_where(images.undefined_where(out, no_p), no_r)
end

---KL(g || q) = sum g (ln g - ln q), q the softmax over all pixels of the logits, g divided by its sum;
---natural logarithm, 0 ln 0 = 0. Undefined (false) for a zero map g.
---@param logits rille.Tensor
---@param g rille.Tensor
---@return (number|false)[] per image
function maps.saliency_kl(logits, g)
  local z, b = images.pair("metrics.saliency_kl", logits, g)
  local r, no_r = images.density(b)
  z = z - core.max(z, along)
  local log_q = z - core.log(core.sum(core.exp(z), along))
  local log_r = core.log(core.where(r:gt(0), r, core.ones(r.shape, { dtype = "f64" })))
  return images.undefined_where((r * (log_r - log_q)):sum(-1):tolist(), no_r)
end

---The predicted density: softmax over all pixels of each map of logits.
---@param logits rille.Tensor N x 1 x H x W
---@return rille.Tensor q of the same shape, f64
function maps.density(logits)
  local z = images.pair("metrics.density", logits, logits)
  local e = core.exp(z - core.max(z, along))
  return core.reshape(e / core.sum(e, along), logits.shape)
end

return maps
