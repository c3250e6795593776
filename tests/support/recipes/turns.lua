-- A recipe for the specs of runs: a segmentor and a judge that take turns, then one stage with gradients over
-- two batches, averaged weights and a target that follows.
local rl = require "rille"
local nn = rl.nn

local R = {}
R.options = { size = 16, channels = 1, batch = 4 }
R.presets = { tiny = { stages = { pair = { turns = { draw = { losses = { fool = 0.1 } } } } } } }
R.data = { phantom = { train = 12, val = 6, test = 6 }, augment = { flip = 0.5 } }

local function convs(i, o)
  return nn.Sequential(nn.Conv2d(i, 3, 3, { padding = 1 }), nn.BatchNorm2d(3), nn.ReLU(),
    nn.Conv2d(3, o, 3, { padding = 1 }))
end

function R.models() return { segmentor = convs(1, 1), judge = convs(2, 1), target = convs(1, 1) } end

function R.forward(m, batch)
  local function judged(mask) return m.judge(rl.cat({ batch.image, mask }, -3)):mean { -3, -2, -1 } end
  return {
    mask = function() return m.segmentor(batch.image) end,
    soft = function(y) return rl.sigmoid(y.mask) end,
    real = function() return judged(batch.mask) end,
    fake = function(y) return judged(y.soft) end,
    target = function() return rl.no_grad(function() return m.target(batch.image) end) end,
    noisy = function() return batch.image * 0.5 end,
    restored = function(y) return y.soft end,
  }
end

local function bce(logit, truth)
  if type(truth) == "number" then truth = rl.full(logit.shape, truth) end
  return rl.binary_cross_entropy_with_logits(logit, truth)
end

R.losses = {
  real = function(y) return bce(y.real, 1) end,
  fake = function(y) return bce(y.fake, 0) end,
  fool = function(y) return bce(y.fake, 1) end,
  draw = function(y, batch) return bce(y.mask, batch.mask) end,
  follow = function(y) return (y.mask - y.target):square():mean() end,
}

function R.after(m, state)
  local to, tau = m.target:parameters(), state.step < 2 and 0.5 or 0.9
  for k, p in ipairs(m.segmentor:parameters()) do to[k]:mul_(tau):add_(p * (1 - tau)) end
end

R.stages = {
  { "pair", ends = { epochs = 2 }, select = "val dice", watch = { segment = "mask" }, turns = {
    { "judge", "judge.", { real = 1, fake = 1 }, "none", { "Adam", lr = 1e-2, betas = { 0.5, 0.999 } } },
    { "draw", "segmentor.", { draw = 1, fool = 0.01 }, { "gradprom", main = "draw" }, { "Adam", lr = 1e-2 } },
  } },
  { "average", "segmentor.", { draw = 1, follow = 0.5 }, "none", { "SGD", lr = 1e-1, momentum = 0.9 },
    { epochs = 2 }, batch = 2, accumulate = 4, ema = 0.9, watch = { segment = "mask" }, select = "val draw" },
}

R.report = { segment = "mask", restore = { "restored", from = "noisy" } }
return R
