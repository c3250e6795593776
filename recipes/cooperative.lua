-- Does the diagnosis gain from where radiologists look, when both are learnt in stages, each on the frozen
-- features of the one before?   Qiu, Rivaz, Xiao, arXiv:2403.16970.
-- rille run cooperative
local rl = require "rille"
local models = rl.models

local R = {}

R.options = { -- as they stand: preset desk
  size = 96, -- pixels; height and width alike, or { height, width }
  channels = 1, -- grey images; DenseNet repeats them three times
  densenet = { blocks = { 6, 12, 24, 16 }, growth = 32, initial = 64 }, -- DenseNet-121
  weights = "random", -- of DenseNet at the start, or a file that examples/imagenet.py wrote
  width = 0.25, -- of the Res-SE U-Net, against the published one
  margin = 1, -- of the triplet loss
  dropout = 0.25,
  lr = 1e-3,
  batch = 16,
  ends = {
    embed = { epochs = 6 },  diagnose = { epochs = 12 },
    gaze =  { epochs = 12 }, fuse =     { epochs = 12 },
  },
}

R.presets = {
  paper = {
    size = { 320, 256 }, width = 1, lr = 1e-4,
    densenet = { blocks = { 6, 12, 48, 32 }, growth = 32, initial = 64 },
    ends = {
      embed = { epochs = 50 }, diagnose = { epochs = 10 },
      gaze =  { epochs = 50 }, fuse =     { epochs = 10 },
    },
    stages = { embed = { batch = 32 } },
  },
  tiny = {
    size = 64, width = 0.0625, batch = 4,
    densenet = { blocks = { 2, 2, 2, 2 }, growth = 8, initial = 16 },
    ends = {
      embed = { steps = 10 }, diagnose = { steps = 10 },
      gaze =  { steps = 10 }, fuse =     { steps = 10 },
    },
    data = { phantom = { train = 24, val = 8, test = 12 } },
  },
}

-- As published: no augmentation. The phantom stands in for a folder of one's own (--data DIR).
R.data = { augment = {}, phantom = { train = 300, val = 60, test = 300 } }

function R.models(o)
  local d = o.densenet
  local densenet = models.pretrained(models.DenseNet {
    blocks = d.blocks, growth = d.growth, initial = d.initial, classes = o.classes,
  }, o.weights)
  return {
    densenet = densenet,
    res_se = models.ResSEEncoder { channels = o.channels, width = o.width },
    decoder = models.ResSEDecoder { features = densenet.width, width = o.width },
    head = models.SaliencyHead { width = o.width },
    fusion = models.FusionClassifier {
      features = densenet.width, width = o.width, classes = o.classes, dropout = o.dropout,
    },
  }
end

-- An output is worked out when a loss first asks for it, so each stage runs only what it needs.
function R.forward(m, batch)
  return {
    F4 = function() return m.densenet:features(batch.image) end,
    F5 = function(y) return m.densenet:final(y.F4) end,
    embedding = function(y) return y.F4:mean { -2, -1 } end,
    logits = function(y) return m.densenet.classifier(y.F5:mean { -2, -1 }) end,
    d1 = function(y) return m.decoder(y.F4, m.res_se(batch.image)) end,
    map = function(y) return m.head(y.d1) end,
    pooled = function(y) return m.fusion:pool(y.F5, y.d1) end,
    fused = function(y) return m.fusion(y.pooled) end,
  }
end

R.cache = { "F4", "pooled" } -- kept per image while all that makes them is frozen

R.losses = {
  triplet = function(y, batch, _, o)
    return rl.batch_triplet_loss(y.embedding, batch.label, { margin = o.margin })
  end,
  ce = function(y, batch) return rl.cross_entropy(y.logits, batch.label) end,
  ce_fused = function(y, batch) return rl.cross_entropy(y.fused, batch.label) end,
  kl = function(y, batch) return rl.saliency_kl(y.map, batch.saliency) end,
}

function R.stages(o)
  local adam = { "Adam", lr = o.lr }
  return {
    -- name       trains                    losses            gate    optimiser  ends
    { "embed",    "densenet.features.",     { triplet = 1 },  "none", adam,      o.ends.embed },
    { "diagnose", "densenet.",              { ce = 1 },       "none", adam,      o.ends.diagnose,
      watch = { classify = "logits" } },
    { "gaze",     "res_se. decoder. head.", { kl = 1 },       "none", adam,      o.ends.gaze,
      watch = { saliency = "map" } },
    { "fuse",     "fusion.",                { ce_fused = 1 }, "none", adam,      o.ends.fuse,
      watch = { classify = "fused" } },
  }
end

R.report = { classify = "fused", saliency = "map" }
return R
