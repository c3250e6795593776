-- Saliency maps against radiologists' maps, image by image. Source: the public code of arXiv:2403.16970.

local core = require "rille.core"
local check = require "rille.util.check"

local maps = {}

-- Both as N x pixels in f64.
local function flat(who, x, y)
  for _, t in ipairs { x, y } do
    if not core.is_tensor(t) or #t.shape < 2 then
      error(who .. ": takes tensors N x 1 x H x W or N x H x W", 3)
    end
  end
  if check.shape_text(x) ~= check.shape_text(y) then
    error(("%s: %s against %s; resize the prediction first"):format(who, check.shape_text(x),
      check.shape_text(y)), 3)
  end
  local n = x.shape[1]
  local pixels = x:numel() // math.max(n, 1)
  return core.reshape(x:detach():to("f64"), { n, pixels }), core.reshape(y:detach():to("f64"), { n, pixels })
end

local function undefined_where(list, condition)
  for i, bad in ipairs(condition) do
    if bad or list[i] ~= list[i] then list[i] = false end
  end
  return list
end

local along = { dim = -1, keepdim = true }

---CC: Pearson's correlation over pixels, in two passes. Undefined (false) where a map is constant.
---@param q rille.Tensor
---@param g rille.Tensor
---@return (number|false)[] per image
function maps.cc(q, g)
  local a, b = flat("metrics.cc", q, g)
  a, b = a - core.mean(a, along), b - core.mean(b, along)
  local aa, bb, ab = (a * a):sum(-1):tolist(), (b * b):sum(-1):tolist(), (a * b):sum(-1):tolist()
  local out = {}
  for i = 1, #ab do out[i] = aa[i] > 0 and bb[i] > 0 and ab[i] / (aa[i] ^ 0.5 * bb[i] ^ 0.5) end
  return out
end

local function density(x) -- divided by its sum; and which rows have none
  local sum = x:sum(-1)
  local bad = {}
  for i, s in ipairs(sum:tolist()) do bad[i] = s ~= s or s <= 0 end
  return x / core.sum(x, along), bad
end

---HS: histogram intersection, sum over pixels of min(q, g), both divided by their sums. No min-max scaling
---(that is SIM, another number). Undefined (false) for a zero map.
---@param q rille.Tensor
---@param g rille.Tensor
---@return (number|false)[] per image
function maps.hs(q, g)
  local a, b = flat("metrics.hs", q, g)
  local p, no_p = density(a)
  local r, no_r = density(b)
  return undefined_where(undefined_where(core.minimum(p, r):sum(-1):tolist(), no_p), no_r)
end

---KL(g || q) = sum g (ln g - ln q), q the softmax over all pixels of the logits, g divided by its sum;
---natural logarithm, 0 ln 0 = 0. Undefined (false) for a zero map g.
---@param logits rille.Tensor
---@param g rille.Tensor
---@return (number|false)[] per image
function maps.saliency_kl(logits, g)
  local z, b = flat("metrics.saliency_kl", logits, g)
  local r, no_r = density(b)
  z = z - core.max(z, along)
  local log_q = z - core.log(core.sum(core.exp(z), along))
  local log_r = core.log(core.where(r:gt(0), r, core.ones(r.shape, { dtype = "f64" })))
  return undefined_where((r * (log_r - log_q)):sum(-1):tolist(), no_r)
end

---The predicted density: softmax over all pixels of each map of logits.
---@param logits rille.Tensor N x 1 x H x W
---@return rille.Tensor q of the same shape, f64
function maps.density(logits)
  local z = flat("metrics.density", logits, logits)
  local e = core.exp(z - core.max(z, along))
  return core.reshape(e / core.sum(e, along), logits.shape)
end

return maps
