-- What do the stages of `cooperative` gain against training both tasks at once, and does a gate help the
-- joint training?
-- Baseline of Qiu, Rivaz, Xiao, arXiv:2403.16970 (uncertainty weighting); GradProm, arXiv:2501.01114.
-- rille run cooperative_joint                       uncertainty weighting, the published baseline
-- rille run cooperative_joint --set method=equal    the plain sum
-- rille run cooperative_joint --set method=gradprom the gaze gradient only while it agrees with the diagnosis
local rl = require "rille"
local nn = rl.nn

local R = rl.recipe "cooperative" -- the same networks, data and options

R.options.method = "uncertainty"
R.options.ends = { joint = { epochs = 18 } } -- as many passes over the images as DenseNet sees in the stages
R.presets.paper.ends = { joint = { epochs = 40 } }
R.presets.paper.stages = { joint = { batch = 6 } }
R.presets.tiny.ends = { joint = { steps = 10 } }

-- CE / s^2 + ln(s + 1) + KL / 2 + ln 2, s = exp(a) with a learnt from 0; the gaze task's own s stays 1, as
-- released.
local Uncertainty = nn.Module:extend("Uncertainty")

function Uncertainty:init() self.a = rl.zeros({ 1 }, { requires_grad = true }) end

function Uncertainty:forward(ce, kl)
  local s = self.a:exp()
  return (ce / (s * s) + (s + 1):log() + kl * 0.5 + math.log(2)):sum()
end

local models = R.models
function R.models(o)
  local m = models(o)
  m.weighting = Uncertainty()
  return m
end

function R.losses.uncertainty(y, batch, m)
  return m.weighting(rl.cross_entropy(y.fused, batch.label), rl.saliency_kl(y.map, batch.saliency))
end

local ALL = "densenet.features. res_se. decoder. head. fusion."
local METHODS = {
  --             trains                losses                   gate
  uncertainty = { ALL .. " weighting.", { uncertainty = 1 },        "none" },
  equal =       { ALL,                 { ce_fused = 1, kl = 1 }, { "none", layers = true } },
  gradprom =    { ALL,                 { ce_fused = 1, kl = 1 }, { "gradprom", main = "ce_fused" } },
}

function R.stages(o)
  local m = METHODS[o.method] or error("method is one of uncertainty, equal, gradprom", 0)
  return {
    -- name    trains losses gate optimiser               ends
    { "joint", m[1],  m[2],  m[3], { "Adam", lr = o.lr }, o.ends.joint,
      watch = { classify = "fused", saliency = "map" } },
  }
end

R.cache = {} -- nothing is frozen
return R
