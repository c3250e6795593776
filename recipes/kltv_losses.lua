-- Which loss of masks learns fastest, and which draws best?
-- Imran, Terzopoulos, arXiv:1908.03693, against the losses it names.
-- rille run kltv_losses --vary loss=kltv,tversky,dice_loss,xe --seeds 1..3    the segmentor alone
-- rille run kltv_losses --set mode=semi --vary loss=kltv,tversky,xe_tversky --seeds 1..3    with diagnosis
-- rille run kltv_losses --vary reading=foreground,both,normalised       readings of "absolute KL"
local rl = require "rille"
local F = rl.nn.functional

local R = rl.recipe "kltv" -- networks, data and the loss kltv

R.options.mode = "segment"

local function of_masks(loss, options)
  return function(y, batch, _, o)
    local opts = { has = batch.has_mask }
    for _, name in ipairs(options) do opts[name] = o[name] end
    return F.mean_over_outputs(loss, y.drawn[1], batch.mask, opts)
  end
end

R.losses.tversky = of_masks(F.tversky_loss, { "alpha", "beta" })
R.losses.focal_tversky = of_masks(F.focal_tversky_loss, { "alpha", "beta", "gamma" })
R.losses.dice_loss = of_masks(F.dice_loss, {})
R.losses.xe = of_masks(F.mask_cross_entropy, {})
R.losses.xe_tversky = of_masks(F.xe_tversky_loss, { "alpha", "beta", "weight" })

R.options.gamma = 4 / 3 -- of the focal loss

return R
