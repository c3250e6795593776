-- Which parts does MLVICX owe what it learns to?
-- Singh, Gorade, Mishra, arXiv:2403.11504; ablations from `level1` on are ours.
-- rille run mlvicx_ablation --vary without=nothing,context,levels,var,cov,spatial,channel
--   nothing                    the whole method
--   context                    no attention behind the levels
--   levels                     the global embedding alone
--   inv, var, cov              a term of the loss
--   spatial, channel           one of the two attentions
--   level1 ... level5          one level in the multi-level embedding
--   view                       both views are the same picture
--   colour                     views without colour jitter
--   turned10, turned20, turned45    with views that are also turned by up to so many degrees
--   merge                      no training of the five 1x1 convolutions, as in the released code
-- rille run mlvicx_pretrain --vary lambda=0.25,1,4     the weight of the multi-level term
local rl = require "rille"

local R = rl.recipe "mlvicx_pretrain"

R.options.without = "nothing"

local function without_level(k)
  local levels = {}
  for i = 1, 5 do levels[#levels + 1] = i ~= k and i or nil end
  return { levels = levels }
end

-- What each leaves out, as options of mlvicx_pretrain.
local PARTS = {
  nothing = {}, merge = {},
  context = { context = "none" }, spatial = { context = "channel" }, channel = { context = "spatial" },
  levels = { lambda = 0 },
  inv = { invariance = 0 }, var = { variance = 0 }, cov = { covariance = 0 },
  view = { same = true }, colour = { jitter = 0 },
  turned10 = { rotate = 10 }, turned20 = { rotate = 20 }, turned45 = { rotate = 45 },
}
for k = 1, 5 do PARTS["level" .. k] = without_level(k) end

local function changed(o)
  local over = PARTS[o.without]
  if not over then
    local names = {}
    for name in pairs(PARTS) do names[#names + 1] = name end
    table.sort(names)
    error("without is one of " .. table.concat(names, ", "), 0)
  end
  return setmetatable({}, { __index = function(_, key)
    if over[key] ~= nil then return over[key] end
    return o[key]
  end })
end

local models = R.models
function R.models(o)
  local m = models(changed(o))
  if o.without == "levels" then m.merge, m.level_projector = nil, nil end
  return m
end

local views = R.data.views
function R.data.views(o) return views(changed(o)) end

for name, loss in pairs(R.losses) do
  R.losses[name] = function(y, batch, m, o) return loss(y, batch, m, changed(o)) end
end

local stages = R.stages
function R.stages(o)
  local stage = stages(changed(o))[1]
  if o.without == "levels" then stage[3] = { global = 1 } end
  if o.without == "merge" then stage[2] = "encoder. context. projector. level_projector." end
  return { stage }
end

return R
