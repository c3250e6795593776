-- Does a recogniser's gradient help an enhancer of bad images if it is let in only while both agree?
-- Zhang and Cheng, arXiv:2501.01114; networks and losses after Liu et al., arXiv:1910.09185.
-- rille run gradprom --vary strategy=none,joint,frozen,hard,soft --seeds 1..3
--   none            the enhancer alone (Benchmark-i), frozen_literal alike; apart: its recogniser learns on
--   joint           both gradients, always; frozen: so, with the recogniser fixed
--   hard, soft      GradProm: the recogniser's gradient while their cosine s >= 0; times max(0, s)
--   warm_up         ends before the recogniser is attached
--   benchmark_clean, benchmark_degraded   the recogniser alone on bad images, trained on clean or bad ones
local rl = require "rille"
local models, UNet = rl.models, rl.models.ResNetUNet

local R = {}
R.options = { -- as they stand: preset desk
  task = "segment", -- what is recognised: classify, segment, or both (by two recognisers)
  strategy = "hard", lambda = 1e-4, -- 1 with soft: the paper's lemma
  phi = "trained", -- the recogniser's own parameters: trained by its whole gradient, gated, or fixed
  supervised = true, -- false: it need only say of restored images what it says of clean ones
  fidelity = "mse", -- or l1
  degradation = "noise", sigma = 0.2, poisson = "A", -- or half, quarter (super-resolution), hard (A or B)
  enhancer = "sr_resnet", width = 32, -- published: 64; or unet, on a ResNet as the recogniser's
  depth = 18, resnet_width = 64, weights = "random", -- or a file that examples/imagenet.py wrote
  start = "random", -- or the weights.safetensors of a warm_up run: the last stage alone
  size = 64, resize = 96, channels = 3, -- windows of 64 pixels in pictures whose shorter side has 96
  batch = 4, lr = 1e-4, lr_alone = 1e-3, -- of what is trained by itself
  ends = { recognise = { steps = 400 }, warm_up = { steps = 600 }, together = { steps = 200 } },
}
R.presets = {
  paper = { size = 224, resize = 256, batch = 8, width = 64, depth = 50, lr_alone = 1e-4,
    ends = { recognise = { epochs = 20 }, warm_up = { epochs = 20 }, together = { epochs = 80 } },
    data = { augment = { crop = 0.5, centred = true } } },
  tiny = { size = 32, resize = 48, width = 4, resnet_width = 4,
    ends = { recognise = { steps = 10 }, warm_up = { steps = 10 }, together = { steps = 10 } },
    data = { phantom = { train = 24, val = 8, test = 12 } } },
}
R.data = { resize = function(o) return o.resize end, augment = { flip = 0.5, vertical = 0.5, rotate = 10 },
  phantom = { train = 300, val = 60, test = 90 } }
local TASKS = { classify = { "classify" }, segment = { "segment" }, both = { "classify", "segment" } }
local UPSCALE = { noise = 1, hard = 1, half = 2, quarter = 4 }
local CHAINS = { -- of degradations
  noise = function(o) return { "gaussian", sigma = o.sigma } end,
  hard = function(o) return { "gaussian", sigma = 0.3 }, { "poisson", reading = o.poisson }, { "blur" } end,
  half = function() return { "bicubic", factor = 2 } end,
  quarter = function() return { "bicubic", factor = 4 } end,
}
local ENHANCERS = {
  sr_resnet = function(o) return models.SRResNet { upscale = UPSCALE[o.degradation], width = o.width } end,
  unet = function(o) return UNet { depth = o.depth, width = o.resnet_width, classes = 3, range = true } end,
}

function R.models(o)
  local m = { enhancer = rl.one_of(o, "enhancer", ENHANCERS)(o) }
  for _, task in ipairs(TASKS[o.task]) do
    m[task] = models.Recogniser { task = task, depth = o.depth, width = o.resnet_width, classes = o.classes }
    models.pretrained(m[task].net.encoder or m[task].net, o.weights)
  end
  return models.pretrained(rl.nn.ModuleDict(m), o.start) and m
end

function R.forward(m, batch, o)
  local y = { -- shown: at the clean image's size, for people and recognisers
    degraded = function() return rl.data.degrade(batch, { rl.one_of(o, "degradation", CHAINS)(o) }) end,
    shown = function(made) return rl.data.resize(made.degraded, batch.image) end,
    restored = function(made) return m.enhancer(o.enhancer == "unet" and made.shown or made.degraded) end,
  }
  for _, task in ipairs(TASKS[o.task]) do
    y[task] = function(made) return m[task](made.restored) end
    y[task .. "_clean"] = function() return m[task](batch.image) end
    y[task .. "_degraded"] = function(made) return m[task](made.shown) end
    y[task .. "_target"] = function() return m[task]:target(batch.image) end
  end
  return y
end

local F = { mse = rl.mse_loss, l1 = rl.l1_loss } -- of pixels, eq. 2
R.losses = { restore = function(y, b, _, o) return rl.one_of(o, "fidelity", F)(y.restored, b.image) end }
for _, task in ipairs(TASKS.both) do
  R.losses[task] = function(y, batch, m, o)
    if o.supervised then return m[task]:loss(y[task], batch) end
    return rl.mse_loss(m[task]:says(y[task]), m[task]:says(y[task .. "_target"]))
  end
  for _, of in ipairs { task .. "_clean", task .. "_degraded" } do
    R.losses[of] = function(y, batch, m) return m[task]:loss(y[of], batch) end
  end
end
local STRATEGIES = { -- the least cosine at which the recogniser's gradient is let in
  none = {}, frozen_literal = {}, warm_up = {}, benchmark_clean = {}, benchmark_degraded = {},
  joint = { floor = -1 }, frozen = { floor = -1, phi = "fixed" }, hard = { floor = 0 },
  soft = { floor = 0, mode = "soft" }, apart = { floor = 1 },
}
local function recogniser_alone(o) return o.strategy:match "^benchmark(_%a+)$" end

function R.stages(o)
  local says, list, losses = rl.one_of(o, "strategy", STRATEGIES), {}, { restore = 1 }
  local adam, watch, alone = { "Adam", lr = o.lr_alone }, { restore = "restored" }, recogniser_alone(o)
  for k, task in ipairs(rl.one_of(o, "task", TASKS)) do
    local of = task .. (alone or "_clean")
    list[k] = { "learn_" .. task, task .. ".", { [of] = 1 }, "none", adam, o.ends.recognise,
      watch = { [task] = of } }
    losses[task] = says.floor and 1
  end
  if alone then return list end
  list[#list + 1] = { "warm_up", "enhancer.", { restore = 1 }, "none", adam, o.ends.warm_up, watch = watch }
  if o.strategy == "warm_up" then return list end
  local trains = says.floor and not says.phi and o.phi ~= "fixed" and "*" or "enhancer."
  local gate = { "gradprom", main = "restore", lambda = o.lambda, floor = says.floor, mode = says.mode,
    phi = o.phi }
  list[#list + 1] = { "together", trains, losses, says.floor and gate or "none",
    { "Adam", lr = rl.schedule.shares(o.lr, o.ends.together, { 2 / 3, 5 / 6 }) }, o.ends.together,
    select = "val restore", watch = watch }
  return o.start == "random" and list or { list[#list] }
end

R.telemetry = models.Recogniser.telemetry -- entropies: a recogniser that collapses shows
function R.report(o)
  local alone = recogniser_alone(o)
  local out = { restore = not alone and { "restored", from = "shown" } or nil }
  for _, task in ipairs(TASKS[o.task]) do out[task] = task .. (alone and "_degraded" or "") end
  return out
end
return R
