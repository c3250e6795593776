-- Which parts does the staged system of `cooperative` owe its result to?
-- Qiu, Rivaz, Xiao, arXiv:2403.16970; the ablations are ours.
-- rille run cooperative_ablation --vary without=nothing,embed,F4,se,shortcut,gaze
--   nothing    the whole system
--   embed      no triplet stage: DenseNet begins with the diagnosis
--   F4         the decoder does not see DenseNet's features
--   se         no squeeze and excitation
--   shortcut   identity shortcuts instead of convolutions
--   gaze       the last classifier reads DenseNet's features alone
-- rille run cooperative --vary margin=0.2,0.5,1,2    the triplet loss's margin
local rl = require "rille"
local models = rl.models

local R = rl.recipe "cooperative"

R.options.without = "nothing"
local PARTS = { nothing = true, embed = true, F4 = true, se = true, shortcut = true, gaze = true }

local whole = R.models
function R.models(o)
  if not PARTS[o.without] then error("without is one of nothing, embed, F4, se, shortcut, gaze", 0) end
  local m = whole(o)
  local width = m.densenet.width
  if o.without == "se" or o.without == "shortcut" then
    m.res_se = models.ResSEEncoder { channels = o.channels, width = o.width, se = o.without ~= "se",
      shortcut = o.without == "shortcut" and "identity" or "conv" }
  elseif o.without == "F4" then
    m.decoder = models.ResSEDecoder { features = false, width = o.width }
  elseif o.without == "gaze" then
    m.fusion = models.FusionClassifier { features = width, width = false, classes = o.classes,
      dropout = o.dropout }
  end
  return m
end

local forward = R.forward
function R.forward(m, batch, o)
  local y = forward(m, batch, o)
  if o.without == "F4" then y.d1 = function() return m.decoder(nil, m.res_se(batch.image)) end end
  if o.without == "gaze" then y.pooled = function(done) return m.fusion:pool(done.F5) end end
  return y
end

local stages = R.stages
function R.stages(o)
  local list = stages(o)
  if o.without == "embed" then table.remove(list, 1) end
  return list
end

return R
