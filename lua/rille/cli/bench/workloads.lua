-- The workloads of rille bench: models, one batch of random numbers, and a recipe of one stage for the
-- runner's step function. Each is a function of the options { batch, size }, which it completes; it returns
-- { recipe, batch }, and where the runner has no such step { step }. `inner` steps count as one measurement.
local core = require "rille.core"
local rl = require "rille"

local workloads = {}

-- A recipe of one stage around models, outputs and losses.
local function one_stage(models, forward, losses, stage)
  local s = { "bench", stage and stage.trains or "*", {}, "none", { "Adam", lr = 1e-4 }, { steps = 1 } }
  for name in pairs(losses) do s[3][name] = 1 end
  s[4], s[5] = stage and stage.gate or s[4], stage and stage.optimiser or s[5]
  return { options = {}, models = models, forward = forward, losses = losses, stages = { s } }
end

-- Images as the loaders give them: channels last in memory.
local function images(...) return rl.rand { ... }:contiguous "channels_last" end

local function labels(n, classes) return rl.randint(1, classes, { n }) end

local function sized(o, batch, size)
  o.batch, o.size = o.batch or batch, o.size or size
  return o.batch, o.size
end

-- Images of random numbers into a network, its outputs into cross-entropy.
local function classification(make, classes)
  return one_stage(function() return { net = make { classes = classes } } end,
    function(m, batch) return { y = m.net(batch.image) } end,
    { ce = function(y, batch) return rl.cross_entropy(y.y, batch.label) end })
end

function workloads.densenet201_train(o)
  local n, s = sized(o, 8, 224)
  return { recipe = classification(rl.models.densenet201, 1000),
    batch = { image = images(n, 3, s, s), label = labels(n, 1000) } }
end

function workloads.resnet18_train(o)
  local n, s = sized(o, 16, 224)
  return { recipe = classification(rl.models.resnet18, 1000),
    batch = { image = images(n, 3, s, s), label = labels(n, 1000) } }
end

-- Evaluation mode, no graph: one pass forward.
function workloads.densenet201_infer(o)
  local n, s = sized(o, 1, 224)
  return { recipe = classification(rl.models.densenet201, 1000), infer = true,
    batch = { image = images(n, 3, s, s), label = labels(n, 1000) } }
end

-- Stage 2 of the cooperative system (arXiv:2403.16970): DenseNet frozen, its forward in every step.
function workloads.saliency_train(o)
  local tall = not o.size
  local n, w = sized(o, 2, 256)
  local h = tall and 320 or w
  local map = rl.rand { n, 1, h, w }
  map = map / map:sum { dim = { -3, -2, -1 }, keepdim = true }
  local function models()
    local densenet = rl.models.densenet201 { classes = 3 }
    return { densenet = densenet, encoder = rl.models.ResSEEncoder {}, head = rl.models.SaliencyHead {},
      decoder = rl.models.ResSEDecoder { features = densenet.width } }
  end
  local function forward(m, batch)
    local f4 = m.densenet:features(batch.image)
    return { map = m.head(m.decoder(f4, m.encoder(batch.image))) }
  end
  return { batch = { image = images(n, 1, h, w), saliency = map },
    recipe = one_stage(models, forward,
      { kl = function(y, batch) return rl.saliency_kl(y.map, batch.saliency) end },
      -- a low rate: Adam's first steps are signs, and at 1e-4 those of gradients near 0 set third losses
      -- apart, two modes of PyTorch by 9e-4, rille and PyTorch by 3e-3; a step takes as long at any rate
      { trains = "encoder. decoder. head.", optimiser = { "Adam", lr = 1e-6 } }) }
end

local MEAN, STD = { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 } -- of ImageNet

-- Blocks start as their shortcuts: from the usual start, batches of 64 values in the last norms magnify
-- rounding to percents of the gradient, and no two programs would agree.
local function recogniser() return rl.models.resnet50 { classes = 7, zero_init_residual = true } end

-- GradProm (arXiv:2501.01114): an enhancer, and a recogniser that reads what it gives. One Adam at one rate
-- is two: it treats each parameter alone.
function workloads.gradprom(o)
  local n, s = sized(o, 4, 128)
  local clean = images(n, 3, s, s)
  local degraded = (clean + rl.randn { n, 3, s, s } * 0.1):clamp { min = 0, max = 1 }
  local mean, std = rl.tensor(MEAN):reshape { 1, 3, 1, 1 }, rl.tensor(STD):reshape { 1, 3, 1, 1 }
  local function forward(m, batch)
    local better = m.enhancer(batch.image)
    return { better = better, logits = function() return m.recogniser((better - mean) / std) end }
  end
  local losses = { mse = function(y, batch) return rl.mse_loss(y.better, batch.clean) end,
    recognise = function(y, batch) return rl.cross_entropy(y.logits, batch.label) end }
  return { batch = { image = degraded, clean = clean, label = labels(n, 7) },
    recipe = one_stage(function()
      return { enhancer = rl.models.SRResNet {}, recogniser = recogniser() }
    end, forward, losses, { gate = { "gradprom", main = "mse", lambda = 1e-4 } }) }
end

-- KLTV (arXiv:1908.03693): the discriminator's turn, then the segmentor's; as many images without labels as
-- with them. No dropout, whose masks differ from program to program, and at a low rate, as above.
function workloads.kltv(o)
  local n, s = sized(o, 8, 128)
  local R = rl.recipe "kltv"
  for name, v in pairs { size = s, width = 1, dropout = 0, classes = 2, lr = 1e-6 } do R.options[name] = v end
  local forward = R.forward
  function R.forward(m, batch, options)
    batch.unlabelled, batch.has_mask = { image = batch.more }, rl.ones({ n }):gt(0)
    return forward(m, batch, options)
  end
  return { recipe = R, batch = { image = images(n, 1, s, s), more = images(n, 1, s, s),
    mask = images(n, 1, s, s):gt(0.5):to("f32"), label = labels(n, 2) } }
end

-- MLVICX (arXiv:2403.11504): a step of its pretraining on two views. LARS scales lengths, so that a low rate
-- keeps the losses of two programs together.
local function mlvicx(o, width, straight)
  local n, s = sized(o, 8, 224)
  local R = rl.recipe "mlvicx_pretrain"
  local set = { size = s, channels = 3, width = width, straight = straight }
  for name, v in pairs(set) do R.options[name] = v end
  local forward = R.forward
  function R.forward(m, batch)
    batch.views = { batch.view1, batch.view2 }
    return forward(m, batch)
  end
  R.telemetry = nil -- it is no part of the step that is compared
  R.stages = { { "bench", "*", { global = 1, multi = 1 }, "none", { "LARS", lr = 1e-3 }, { steps = 1 } } }
  return { recipe = R, batch = { view1 = images(n, 3, s, s), view2 = images(n, 3, s, s) } }
end

function workloads.mlvicx(o) return mlvicx(o, 512, false) end

function workloads.mlvicx_4096(o) return mlvicx(o, 4096, false) end

function workloads.mlvicx_straight(o) return mlvicx(o, 512, true) end -- the graph as it is written

function workloads.mlp(o)
  o.batch = o.batch or 8
  local nn = rl.nn
  local R = one_stage(function()
    return { net = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
      nn.Linear(32, 4)) }
  end, function(m, batch) return { y = m.net(batch.x) } end,
    { ce = function(y, batch) return rl.cross_entropy(y.y, batch.label) end },
    { optimiser = { "SGD", lr = 0.01, momentum = 0.9 } })
  return { recipe = R, batch = { x = rl.randn { o.batch, 32 }, label = labels(o.batch, 4) }, inner = 500 }
end

-- No loss and no optimiser: the output's cotangent is given, gradients of input and parameters are asked for.
function workloads.conv3x3(o)
  local n, s = sized(o, 8, 96)
  local net = rl.nn.Conv2d(64, 64, 3, { padding = 1 })
  local x = rl.randn { n, 64, s, s }:contiguous "channels_last"
  local seed = rl.randn { n, 64, s, s }:contiguous "channels_last"
  x.requires_grad = true
  local function step()
    local y = net(x)
    local grads = core.grad(y, { x, net.weight, net.bias }, { seed = seed })
    return function() return (y:detach() * seed):mean():item() + grads[2]:square():mean():item() end
  end
  return { step = step, models = { net = net }, batch = { x = x:detach(), seed = seed } }
end

function workloads.add()
  local a, b, add = rl.randn { 16 }, rl.randn { 16 }, rl.add
  return { step = function() return add(a, b) and nil end, batch = { a = a, b = b }, inner = 10000 }
end

return workloads
