-- What do methods learn from the same views that look at the last level only?
-- VICReg, arXiv:2105.04906; SimSiam, arXiv:2011.10566; BYOL, arXiv:2006.07733: each with its paper's heads at
-- our embedding width, with the views, the optimiser and the length of mlvicx_pretrain.
-- rille run mlvicx_baselines --vary method=vicreg,simsiam,byol
local rl = require "rille"
local models, F = rl.models, rl.nn.functional

local R = rl.recipe "mlvicx_pretrain"

R.options.method = "vicreg"
R.options.tau = 0.99 -- BYOL: its target's share of itself at the first step, growing to 1
R.presets.paper.tau = 0.996

local function resnet(o)
  return models.ResNet { block = "basic", layers = o.net.layers, width = o.net.width, classes = false }
end

local function mlp(from, o) return models.Projector({ from, 2 * o.width, o.width }, { last = "linear" }) end

local HEADS = {
  vicreg = function(o, n)
    return { projector = models.Projector({ n, o.width, o.width, o.width }, { last = "linear" }) }
  end,
  simsiam = function(o, n)
    return {
      projector = models.Projector({ n, o.width, o.width, o.width }, { last = "plain_bn", bias = false }),
      predictor = models.Projector({ o.width, o.width // 4, o.width }, { last = "linear", bias = false }),
    }
  end,
  byol = function(o, n)
    return { projector = mlp(n, o), predictor = mlp(o.width, o), target_projector = mlp(n, o),
      target = resnet(o) }
  end,
}

local function heads_of(o)
  return HEADS[o.method] or error("method is one of vicreg, simsiam, byol", 0)
end

function R.models(o)
  local encoder = resnet(o)
  local m = heads_of(o)(o, encoder.widths[5])
  m.encoder = encoder
  if m.target then
    F.follow(m.target, encoder, 0)
    F.follow(m.target_projector, m.projector, 0)
  end
  return m
end

function R.forward(m, batch)
  local function of(f) -- what f makes of each view
    return function(y) return { f(batch.views[1], 1, y), f(batch.views[2] or batch.views[1], 2, y) } end
  end
  return {
    features = function() return m.encoder(batch.image) end,
    z = of(function(x) return m.projector(m.encoder(x)) end),
    p = m.predictor and of(function(_, k, y) return m.predictor(y.z[k]) end),
    t = m.target and of(function(x) return m.target_projector(m.target(x)) end),
    global_terms = function(y) return F.vicreg_terms(y.z[1], y.z[2]) end,
  }
end

R.losses.multi = nil
function R.losses.simsiam(y) return F.simsiam_loss(y.p[1], y.p[2], y.z[1], y.z[2]) end
function R.losses.byol(y) return F.byol_loss(y.p[1], y.p[2], y.t[1], y.t[2]) end

function R.after(m, state, o)
  if not m.target then return end
  local done = (state.step + 1) / (o.epochs * state.steps_per_epoch)
  local keep = 1 - (1 - o.tau) * (math.cos(math.pi * done) + 1) / 2
  F.follow(m.target, m.encoder, keep)
  F.follow(m.target_projector, m.projector, keep)
end

local stages = R.stages
function R.stages(o)
  heads_of(o)
  local stage = stages(o)[1]
  stage[3] = { [o.method == "vicreg" and "global" or o.method] = 1 }
  if o.method == "byol" then -- its target only follows, and normalises by the batch
    stage[2], stage.frozen_norms = "encoder. projector. predictor.", "moving"
  end
  return { stage }
end

return R
