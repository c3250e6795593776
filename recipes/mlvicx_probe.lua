-- How much of the findings can be read off an encoder, with how many labels?
-- Singh, Gorade, Mishra, arXiv:2403.11504: downstream; the decoder of mode segment is ours.
-- rille run mlvicx_probe --set weights=RUN/weights.safetensors --vary share=0.01,0.1,0.3,1 --seeds 1..3
--   mode=probe      a linear layer on the frozen encoder, whose features are computed once
--   mode=finetune   encoder and layer
--   mode=segment    a U-Net on the encoder: the masks of the data set
local rl = require "rille"
local models, F = rl.models, rl.nn.functional

local R = {}

R.options = { -- as they stand: preset desk
  weights = "random", -- or a file: a run's weights.safetensors, or ImageNet's by examples/imagenet.py
  mode = "probe",
  labels = "none", -- or the column of the manifest that holds several labels per image
  share = 1, -- of the labels of train
  -- Epochs before a probe, in which the encoder's batch norms gather the statistics of these images. MLVICX's
  -- have those of maps behind its bottlenecks: without them features grow a thousandfold.
  settle = 10,
  size = 64, channels = 1, batch = 128,
  net = { layers = { 2, 2, 2, 2 }, width = 64 }, -- ResNet-18
  flip = false, -- true: half of the images mirrored in training; then no features can be kept
  first = 10, -- epochs of the first cosine; each further one is twice as long
  epochs = 300, patience = 10,
  least = 10, -- positives of the test split for a finding to count in the means
}

R.presets = {
  paper = { size = 224, channels = 3, flip = true,
    data = { mean = { 0.485, 0.456, 0.406 }, std = { 0.229, 0.224, 0.225 } } },
  tiny = { size = 32, batch = 8, net = { layers = { 1, 1, 1, 1 }, width = 8 }, first = 2, epochs = 4,
    settle = 0, least = 1, data = { phantom = { train = 24, val = 12, test = 12 } } },
}

R.data = { mean = 0.449, std = 0.226,
  labels = function(o) return o.labels ~= "none" and o.labels end,
  labelled = function(o) return o.share < 1 and o.share end,
  augment = function(o) return o.flip and { flip = 0.5 } end,
}

local MODES = { -- trains            rate
  probe =    { "head.",           3e-3 },
  finetune = { "encoder. head.",  3e-4 },
  segment =  { "net.",            1e-4 },
}

local function mode_of(o) return MODES[o.mode] or error("mode is one of probe, finetune, segment", 0) end

function R.models(o)
  if o.mode == "segment" then
    local net = models.ResNetUNet {}
    models.pretrained(net.encoder, o.weights, "encoder.")
    return { net = net }
  end
  local encoder = models.ResNet { block = "basic", layers = o.net.layers, width = o.net.width,
    classes = false }
  models.pretrained(encoder, o.weights, "encoder.")
  return { encoder = encoder,
    head = rl.nn.Linear(encoder.widths[5], o.findings and #o.findings or math.max(1, o.classes)) }
end

function R.forward(m, batch)
  local encoder = m.encoder or m.net.encoder
  return {
    features = function() return encoder(batch.image) end,
    mask = m.net and function() return m.net(batch.image) end,
    logits = m.head and function(y) return m.head(y.features) end,
  }
end

R.cache = { "features" } -- kept per image while the encoder is frozen

R.losses = {
  bce = function(y, batch) return F.multilabel_loss(y.logits, batch.labels) end,
  ce = function(y, batch) return rl.cross_entropy(y.logits, batch.label) end,
  dice_ce = function(y, batch)
    local o = { has = batch.has_mask }
    return F.dice_loss(y.mask, batch.mask, o) + F.mask_cross_entropy(y.mask, batch.mask, o)
  end,
}

-- Findings of ChestX-ray14 that fill much of the image, and those that do not.
local GROUPS = {
  large = { "Cardiomegaly", "Effusion", "Infiltration", "Consolidation", "Edema", "Emphysema", "Atelectasis",
    "Pneumothorax", "Pneumonia", "Fibrosis" },
  small = { "Nodule", "Mass", "Hernia", "Pleural_Thickening" },
}

function R.report(o)
  if o.mode == "segment" then return { segment = "mask" } end
  if o.labels == "none" then return { classify = "logits" } end
  return { multilabel = { "logits", least = o.least, groups = GROUPS } }
end

function R.stages(o)
  local mode = mode_of(o)
  local loss = o.mode == "segment" and "dice_ce" or o.labels == "none" and "ce" or "bce"
  local function rate(step, state)
    return rl.schedule.warm_restarts(mode[2], o.first * state.steps_per_epoch, { lowest = 1e-6 })(step)
  end
  local optimiser = { "AdamW", lr = rate, weight_decay = 0 }
  if o.mode == "segment" then optimiser = { "Adam", lr = mode[2] } end
  local list = {
    -- name   trains   losses        gate    optimiser  ends
    { o.mode, mode[1], { [loss] = 1 }, "none", optimiser, { epochs = o.epochs, plateau = o.patience },
      clip = 1, select = o.mode == "segment" and "val dice" or "val auc", watch = R.report(o) },
  }
  if o.mode == "probe" and o.settle > 0 then
    table.insert(list, 1, { "settle", mode[1], { [loss] = 1 }, "none", optimiser, { epochs = o.settle },
      clip = 1, select = "last", frozen_norms = "moving" })
  end
  return list
end

return R
