-- Do images without labels, and drawing the lungs at the same time, help a diagnosis that has few labels?
-- A segmentor draws the lungs; a discriminator names the disease of an image with its mask, or says that the
-- mask was made. Imran, Terzopoulos, arXiv:1908.03693.
-- rille run kltv                          both networks, with unlabelled images
-- rille run kltv --set mode=supervised    both, without them; mode=segment, mode=classify: one network alone
local rl = require "rille"
local F, models = rl.nn.functional, rl.models

local R = {}

R.options = { -- as they stand: preset desk
  size = 64, channels = 1, batch = 8,
  width = 0.25, -- of both networks, against the published ones
  pyramid = true, attention = true, progressive = true, -- the segmentor's three parts
  mode = "semi", loss = "kltv", -- of masks
  alpha = 0.3, beta = 0.7, -- of false alarms and of misses in Tversky's index
  weight = 1, -- of the divergence
  reading = "foreground", -- of "absolute KL": see rl.nn.functional.absolute_kl_loss
  fool = 0.01, -- weight of the adversarial term in the segmentor's loss
  dropout = 0.4, lr = 2e-4,
  ends = { steps = 400 },
}

R.presets = {
  paper = { size = 256, width = 1, ends = { epochs = 200 } },
  tiny = {
    size = 32, width = 0.0625, batch = 4, ends = { steps = 10 },
    data = { phantom = { train = 24, val = 6, test = 8 }, labelled = { share = 0.5 } },
  },
}

local MODES = { -- which networks there are; whether images without labels take part
  semi = { draws = true, judges = true, takes_more = true },
  supervised = { draws = true, judges = true },
  segment = { draws = true },
  classify = { judges = true },
}

local function mode_of(o)
  return MODES[o.mode] or error("mode is one of semi, supervised, segment, classify", 0)
end

-- No flips: left and right differ. A fifth of the labels, class by class, as if the others were not there.
R.data = {
  augment = { rotate = 5 }, merge = {}, labelled = { share = 0.2 },
  streams = function(o) return mode_of(o).takes_more and { unlabelled = { batch = o.batch } } end,
  phantom = { train = 300, val = 60, test = 300 },
}

function R.models(o)
  local mode = mode_of(o)
  return {
    segmentor = mode.draws and models.APPAUNet { channels = o.channels, width = o.width,
      pyramid = o.pyramid, attention = o.attention, progressive = o.progressive } or nil,
    discriminator = mode.judges and models.MaskDiscriminator { channels = o.channels, width = o.width,
      classes = o.classes, dropout = o.dropout, mask = mode.draws or false } or nil,
  }
end

local function places_of(flags)
  local places = {}
  for i, has in ipairs(flags:tolist()) do places[#places + 1] = has and i or nil end
  return rl.tensor(places, { dtype = "i64" })
end

-- The labelled images come first; the discriminator's last class is "the mask was made".
function R.forward(m, batch, o)
  local mode, n = mode_of(o), batch.image.shape[1]
  local more = batch.unlabelled
  local y = { images = more and rl.cat({ batch.image, more.image }, 1) or batch.image }
  if mode.draws then
    y.drawn = function(done) return { m.segmentor(done.images) } end -- lists of logits and of attention
    y.mask = function(done) return done.drawn[1][1]:narrow(1, 1, n) end
    y.p = function(done) return rl.sigmoid(done.drawn[1][1]) end
    y.gates = function(done) return done.drawn[2] end
  end
  if mode.judges then
    y.made = function(done) return m.discriminator(done.images, mode.draws and done.p) end
    y.diagnosis = function(done) return done.made:narrow(1, 1, n):narrow(2, 1, o.classes) end
  end
  return y
end

R.losses = { -- each image enters the terms that it has labels for
  real = function(y, batch, m)
    local places = places_of(batch.has_mask)
    if places:numel() == 0 then return (y.made * 0):sum() end
    local image, mask = batch.image:index_select(places, 1), batch.mask:index_select(places, 1)
    return F.real_loss(m.discriminator(image, mask), batch.label:index_select(places, 1))
  end,
  told = function(y, batch) -- a class without a mask
    return F.label_loss(y.diagnosis, batch.label, batch.has_mask:logical_not())
  end,
  fake = function(y, batch) return F.fake_loss(y.made, batch.image.shape[1]) end,
  fool = function(y) return F.fool_loss(y.made) end,
  kltv = function(y, batch, _, o)
    return F.mean_over_outputs(F.kltv_loss, y.drawn[1], batch.mask, { weight = o.weight, alpha = o.alpha,
      beta = o.beta, reading = o.reading, has = batch.has_mask })
  end,
  ce = function(y, batch) return F.label_loss(y.diagnosis, batch.label) end,
}

function R.report(o)
  local mode = mode_of(o)
  return { segment = mode.draws and { "mask", attention = "gates" } or nil,
    classify = mode.judges and "diagnosis" or nil }
end

function R.stages(o)
  local mode, adam = mode_of(o), { "Adam", lr = o.lr, betas = { 0.5, 0.999 } }
  local judge = { "judge", "discriminator.", { real = 1, told = 1, fake = 1 }, "none", adam }
  local draw = { "draw", "segmentor.", { [o.loss] = 1, fool = o.fool }, "none", adam }
  local alone = not mode.judges and { "draw", "segmentor.", { [o.loss] = 1 }, "none", adam }
    or not mode.draws and { "judge", "discriminator.", { ce = 1 }, "none", adam }
  local stage = alone or { "game", turns = { judge, draw } }
  stage.ends, stage.watch, stage.select = o.ends, R.report(o), mode.draws and "val dice" or "val auc"
  return { stage }
end

return R
