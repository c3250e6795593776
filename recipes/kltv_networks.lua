-- Which parts does the segmentor of KLTV owe its masks to? Eight networks, from the plain U-Net to APPAU-Net.
-- Imran, Terzopoulos, arXiv:1908.03693; the parts: pyramid arXiv:1810.07842, attention arXiv:1804.03999,
-- progressive outputs arXiv:1706.03702.
-- rille run kltv_networks --vary net=u,pu,au,gu,pau,pgu,gau,appau --seeds 1..3    the segmentor alone
-- rille run kltv_networks --set mode=semi --vary net=u,appau                      with the diagnosis
local rl = require "rille"

local R = rl.recipe "kltv"

R.options.mode = "segment"
R.options.net = "appau"
R.options.pyramid, R.options.attention, R.options.progressive = nil, nil, nil

local NETS = { -- pyramid, attention, progressive
  u = { false, false, false },
  pu = { true, false, false },
  au = { false, true, false }, -- Attention U-Net
  gu = { false, false, true },
  pau = { true, true, false },
  pgu = { true, false, true },
  gau = { false, true, true },
  appau = { true, true, true },
}

local whole = R.models
function R.models(o)
  local parts = NETS[o.net] or error("net is one of u, pu, au, gu, pau, pgu, gau, appau", 0)
  local with = setmetatable({ pyramid = parts[1], attention = parts[2], progressive = parts[3] },
    { __index = o })
  return whole(with)
end

return R
