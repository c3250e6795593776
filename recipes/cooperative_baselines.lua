-- What do networks reach that see one task only, or both without DenseNet?
-- Baselines of Qiu, Rivaz, Xiao, arXiv:2403.16970; MT-UNet: Zhu, Rohling, Salcudean, arXiv:2202.07118.
-- rille run cooperative_baselines --vary net=mt_unet,unet_class,unet_map,densenet,res_se
--   mt_unet                a plain U-Net with a classifier and a saliency head, uncertainty weighting
--   unet_class, unet_map   the same network trained for one of them
--   densenet               DenseNet alone: the diagnosis
--   res_se                 the Res-SE U-Net alone, four up steps from E5: the map
local rl = require "rille"
local models = rl.models

local R = rl.recipe "cooperative_joint" -- data, sizes and the uncertainty weighting

R.options.method = nil
R.options.net = "mt_unet"
R.options.ends = { train = { epochs = 12 } }
R.presets.paper.ends = { train = { epochs = 50 } }
R.presets.paper.stages = { train = { batch = 8 } }
R.presets.tiny.ends = { train = { steps = 10 } }

local weighting = R.models
local NETS = {
  mt_unet = function(o)
    return { net = models.MTUNet { channels = o.channels, classes = o.classes, width = o.width,
      dropout = o.dropout }, weighting = weighting(o).weighting }
  end,
  densenet = function(o)
    local d = o.densenet
    return { net = models.pretrained(models.DenseNet { blocks = d.blocks, growth = d.growth,
      initial = d.initial, classes = o.classes }, o.weights) }
  end,
  res_se = function(o)
    return { encoder = models.ResSEEncoder { channels = o.channels, width = o.width },
      decoder = models.ResSEDecoder { features = false, width = o.width },
      head = models.SaliencyHead { width = o.width } }
  end,
}
NETS.unet_class, NETS.unet_map = NETS.mt_unet, NETS.mt_unet

local function net_of(o)
  return NETS[o.net] or error("net is one of mt_unet, unet_class, unet_map, densenet, res_se", 0)
end

function R.models(o) return net_of(o)(o) end

function R.forward(m, batch, o)
  if o.net == "densenet" then
    return { fused = function() return m.net(batch.image) end }
  elseif o.net == "res_se" then
    return { map = function() return m.head(m.decoder(nil, m.encoder(batch.image))) end }
  end
  return {
    maps = function() return m.net.encoder(batch.image) end,
    d1 = function(y) return m.net.decoder(y.maps) end,
    map = function(y) return m.net.head(y.d1) end,
    fused = function(y) return m.net.classifier(y.maps[5], y.d1) end,
  }
end

local TASKS = { -- losses; what is watched and reported
  mt_unet = { { uncertainty = 1 }, { classify = "fused", saliency = "map" } },
  unet_class = { { ce_fused = 1 }, { classify = "fused" } },
  unet_map = { { kl = 1 }, { saliency = "map" } },
  densenet = { { ce_fused = 1 }, { classify = "fused" } },
  res_se = { { kl = 1 }, { saliency = "map" } },
}
local TRAINS = { unet_class = "net.encoder. net.decoder. net.classifier.",
  unet_map = "net.encoder. net.decoder. net.head." }

function R.stages(o)
  net_of(o)
  local task = TASKS[o.net]
  return {
    { "train", TRAINS[o.net] or "*", task[1], "none", { "Adam", lr = o.lr }, o.ends.train, watch = task[2] },
  }
end

function R.report(o) return TASKS[o.net][2] end
return R
