-- rl.gating: rules that decide which task's gradient moves which weights. rl.gating.NAME(options) makes a
-- gate, gate(grads, ctx) -> update, record. A new rule is a function of that form.
--   grads[k][i]  gradient of loss k in parameter i, zeros where the loss does not reach it
--   ctx          losses (names in order), main (index of the main loss or nil), step, state (numbers,
--                saved in checkpoints), params (paths)
--   update[i]    what the optimiser is given
--   record       flat table of numbers for the log: cos, open, norm_main, norm_aux, ["layer.PATH.cos"] ...

local gating = {
  none = require "rille.gating.none",
  gradprom = require "rille.gating.gradprom",
  cosine = require "rille.gating.cosine",
  pcgrad = require "rille.gating.pcgrad",
}

local text = require "rille.gating.text"

return setmetatable(gating, { -- not among the rules that pairs(rl.gating) lists
  __index = {
    parse = text.parse,
    format = text.format,
    make = function(spec, losses) return text.make(gating, spec, losses) end,
  },
})
