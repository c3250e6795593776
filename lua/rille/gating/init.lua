-- rl.gating: rules that decide which task's gradient moves which weights. rl.gating.NAME(options) makes a
-- gate, gate(grads, ctx) -> update, record. A new rule is a function of that form, or one of the Gram matrix
-- given to rl.gating.weighted (ten lines: mgda.lua).
--   grads[k][i]  gradient of loss k in parameter i, zeros where the loss does not reach it
--   ctx          losses (names in order), values (the losses, weighted by the stage), main (index of the main
--   loss or
--                nil), step and epoch of the stage, lr, params (paths), state (numbers and tensors, saved in
--                checkpoints and free to be set), reevaluate() -> the values again, halves() -> { grads,
--                grads }
--   update[i]    what the optimiser is given
--   record       flat table of numbers for the log: cos, open, norm_main, norm_aux, weight_NAME,
--   ["layer.PATH.cos"] ...
-- A gate that is a table may also have weigh(m, ctx) (weights from inner products alone), scale(ctx) (weights
-- from the losses' values alone) and after(ctx) (called behind the optimiser's step). Any spec may say at =
-- "NAME" of an output of the recipe's forward: the gate then works on the gradients there, and the
-- layers below it get its result in one walk back ("upper bound" versions); a spec of a rule with weigh may
-- say gram = true: no gradient per loss is kept.

local NAMES = { "none", "equal", "gradprom", "cosine", "projection", "ol_aux", "pcd", "uncertainty", "dwa",
  "gls", "rlw", "scale_invariant", "imtl_l", "famo", "stch", "cosmos", "pbi", "gradnorm", "mgda", "pcgrad",
  "gradvac", "graddrop", "imtl_g", "cagrad", "nash_mtl", "aligned_mtl", "dualproj", "upgrad", "config",
  "fairgrad", "krum", "trimmed_mean", "random", "moco", "modo", "sdmgrad", "db_mtl", "excess_mtl", "cr_mogm" }

local gating = {}
for _, name in ipairs(NAMES) do gating[name] = require("rille.gating." .. name) end

local text = require "rille.gating.text"

return setmetatable(gating, { -- not among the rules that pairs(rl.gating) lists
  __index = {
    parse = text.parse,
    format = text.format,
    make = function(spec, losses) return text.make(gating, spec, losses) end,
    weighted = require "rille.gating.weighted",
    scaled = require "rille.gating.scaled",
    dense = require "rille.gating.dense",
  },
})
