-- What makes a clean image bad: noise, blur, fewer pixels. Noise is drawn anew per (seed, epoch, sample), so
-- that it is fresh in every epoch of training and fixed per image where batches come unchanged.
-- Source of the kinds and their strengths: arXiv:2501.01114; clipping: the code of arXiv:1910.09185.

local core = require "rille.core"
local check = require "rille.util.check"
local filter = require "rille.util.filter"
local mix = require "rille.util.mix"

local NONE = check.none
local steps, defaults = {}, {}

local function seed_of(seed, epoch, place)
  return mix(seed * 0x9E3779B97F4A7C15 + epoch * 0xD1342543DE82EF95 + place * 0x2545F4914F6CDD1D)
end

-- f(image) for each image of x, drawing from that image's own place; the engine's stream stays where it was.
local function each(x, key, place, f)
  local kept, out, seed = core.random_state(), {}, seed_of(key.seed, key.epoch, place)
  for i = 1, x.shape[1] do
    core.random_state { seed, key.samples[i] }
    out[i] = f(core.narrow(x, 1, i, 1))
  end
  core.random_state(kept)
  return #out == 1 and out[1] or core.cat(out, { dim = 1 })
end

local function clipped(x, clip) return clip and core.clamp(x, { min = 0, max = 1 }) or x end

defaults.gaussian = { sigma = NONE, clip = true }
function steps.gaussian(x, o, key, place)
  check.number("data.degrade: gaussian", "sigma", o.sigma, 0)
  local function noisy(image) return image + core.randn(image.shape, { dtype = x.dtype }) * o.sigma end
  return clipped(each(x, key, place, noisy), o.clip)
end

defaults.poisson = { rate = 0.1, reading = "A", clip = false }
function steps.poisson(x, o, key, place)
  local who = "data.degrade: poisson"
  check.number(who, "rate", o.rate, 1e-9)
  check.word(who, "reading", o.reading, { "A", "B" })
  local function noisy(image)
    if o.reading == "A" then return core.poisson(image / o.rate) * o.rate end
    return image + (core.poisson(image) - image) * o.rate
  end
  return clipped(each(x, key, place, noisy), o.clip)
end

defaults.blur = { kernel = 3, sigma = 2 }
function steps.blur(x, o)
  local who, s = "data.degrade: blur", x.shape
  check.number(who, "sigma", o.sigma, 1e-9)
  local radius = check.integer(who, "kernel", o.kernel, 1) // 2
  if o.kernel % 2 == 0 or radius >= math.min(s[3], s[4]) then
    error(("%s: kernel = %d; it is odd, and its half fits into the image"):format(who, o.kernel), 0)
  end
  local w = filter.gaussian(radius, o.sigma)
  local function along(n) return filter.matrix(n, w, "reflect", x.dtype) end
  return filter.apply(x, along(s[3]), along(s[4]))
end

defaults.bicubic = { factor = NONE, antialias = true, clip = true }
function steps.bicubic(x, o)
  local who, s = "data.degrade: bicubic", x.shape
  check.number(who, "factor", o.factor, 1)
  check.boolean(who, "antialias", o.antialias)
  local h, w = math.tointeger(s[3] / o.factor), math.tointeger(s[4] / o.factor)
  if not (h and w) then
    error(("%s: factor = %g does not divide images of %dx%d"):format(who, o.factor, s[3], s[4]), 0)
  end
  return clipped(filter.bicubic(x, h, w, o.antialias), o.clip)
end

---Degrade the images of a batch by a chain of steps, each { name, options }:
---  { "gaussian", sigma = 0.2, clip = true }      x + sigma N(0, 1); clip: then clipped to [0, 1]
---  { "poisson", rate = 0.1, reading = "A", clip = false }
---                                                A: rate Poisson(x / rate); B: x + rate (Poisson(x) - x)
---  { "blur", kernel = 3, sigma = 2 }             Gaussian window, mirrored at the edges
---  { "bicubic", factor = 2, antialias = true, clip = true }
---                                                a factor-th of each side
---Images of a batch that belongs to no split (those of rille predict) are bad already and stay as they are.
---
---Shape:  image N x C x H x W of [0, 1] -> N x C x H / factor x W / factor
---Raises: "data.degrade: ..." for an unknown step or option.
---@param batch table image, split, and of a run's batches seed, epoch (0: unchanged batches), index
---@param chain table[]
---@return rille.Tensor
return function(batch, chain)
  local x = batch.image
  if not batch.split then return x end
  local key = { seed = batch.seed, epoch = batch.epoch, samples = batch.index:tolist() }
  for place, step in ipairs(chain) do
    local name = step[1]
    if not steps[name] then check.unknown("data.degrade", "step", tostring(name), steps, 2) end
    local given = {}
    for k, v in pairs(step) do
      if k ~= 1 then given[k] = v end
    end
    x = steps[name](x, check.options("data.degrade: " .. name, given, defaults[name]), key, place)
  end
  return x
end
