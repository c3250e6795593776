-- Do chest X-rays without labels teach an encoder more when its embedding is made of all its levels?
-- Singh, Gorade, Mishra, arXiv:2403.11504 (MLVICX).
-- rille run mlvicx_pretrain
-- rille run mlvicx_probe --set weights=RUN/weights.safetensors    what its encoder has learnt
local rl = require "rille"
local models, F = rl.models, rl.nn.functional

local R = {}

R.options = { -- as they stand: preset desk
  size = 64, channels = 1, batch = 64,
  net = { layers = { 2, 2, 2, 2 }, width = 64 }, -- ResNet-18
  width = 512, -- of the embeddings
  merge = 512, -- channels that the levels are brought to
  context = "both", -- "channel", "spatial": one attention alone; "none"
  levels = { 1, 2, 3, 4, 5 }, -- of the encoder that make the multi-level embedding
  straight = false, -- true: merge maps of 64 x 64 as written, not their averages
  lambda = 1, -- of the multi-level term
  invariance = 25, variance = 25, covariance = 1,
  same = false, -- true: both views identical
  jitter = 0.8, solarize = 0.2, rotate = 0, sigma = 0.6, -- of the views; sigma: the largest blur, pixels
  lr = 0.2, -- for batches of 256
  warm = 2, epochs = 30,
}

R.presets = {
  paper = { size = 224, channels = 3, width = 4096, sigma = 2, epochs = 300,
    data = { mean = { 0.485, 0.456, 0.406 }, std = { 0.229, 0.224, 0.225 } } },
  tiny = { size = 32, batch = 6, width = 16, merge = 8, net = { layers = { 1, 1, 1, 1 }, width = 8 },
    warm = 1, epochs = 3, lr = 2,
    data = { phantom = { train = 24, val = 6, test = 6 } } },
}

local function view(o, blur, solarize)
  return { crop = { 0.08, 1 }, flip = 0.5, rotate = o.rotate, jitter = o.jitter, brightness = 0.4,
    contrast = 0.4, saturation = 0.2, hue = 0.1, grayscale = 0.2, blur = blur, sigma = { 0.1, o.sigma },
    solarize = solarize }
end

R.data = { mean = 0.449, std = 0.226, drop_last = true, views = function(o)
  return o.same and { view(o, 1, 0) } or { view(o, 1, 0), view(o, 0.1, o.solarize) }
end }

function R.models(o)
  local encoder = models.ResNet { block = "basic", layers = o.net.layers, width = o.net.width,
    classes = false }
  local widths = encoder.widths
  return {
    encoder = encoder,
    context = models.ContextLevels(widths, { parts = o.context }),
    merge = models.LevelMerge(widths, { out = o.merge, levels = o.levels, straight = o.straight }),
    projector = models.Projector { widths[5], o.width, o.width, o.width },
    level_projector = models.Projector { o.merge * 16, o.width, o.width, o.width },
  }
end

function R.forward(m, batch)
  local function of(f) -- what f makes of each view
    return function(y) return { f(batch.views[1], 1, y), f(batch.views[2] or batch.views[1], 2, y) } end
  end
  return {
    features = function() return m.encoder(batch.image) end, -- of the image as it is
    maps = of(function(x) return m.context(m.encoder, x) end),
    z = of(function(_, k, y) return m.projector(y.maps[k][5]:mean { -2, -1 }) end),
    d = m.merge and of(function(_, k, y) return m.level_projector(m.merge(y.maps[k])) end),
    global_terms = function(y) return F.vicreg_terms(y.z[1], y.z[2]) end,
    multi_terms = m.merge and function(y) return F.vicreg_terms(y.d[1], y.d[2]) end,
  }
end

local function weighted(t, o) return t.inv * o.invariance + t.var * o.variance + t.cov * o.covariance end

R.losses = {
  global = function(y, _, _, o) return weighted(y.global_terms, o) end,
  multi = function(y, _, _, o) return weighted(y.multi_terms, o) end,
}

-- Every term of an embedding, its deviation and its effective rank: what tells a collapse.
local function told(name, terms, embedding)
  local out = {}
  for term, t in pairs(terms) do out[name .. "." .. term] = t:item() end
  for what, v in pairs(F.collapse(embedding)) do out[name .. "." .. what] = v end
  return out
end

function R.telemetry(y, _, m)
  local out = told("global", y.global_terms, y.z[1])
  for key, v in pairs(m.merge and told("multi", y.multi_terms, y.d[1]) or {}) do out[key] = v end
  return out
end

local function rate(step, state)
  local o, per = state.options, state.steps_per_epoch
  return rl.schedule.warmup_cosine(o.lr * o.batch / 256, o.warm * per, o.epochs * per,
    { period = o.epochs * per })(step)
end

function R.stages(o)
  local lars = { "LARS", lr = rate, weight_decay = 1e-6 }
  return {
    -- name       trains losses                          gate    optimiser ends
    { "pretrain", "*",   { global = 1, multi = o.lambda }, "none", lars,   { epochs = o.epochs },
      select = "last" },
  }
end

return R
