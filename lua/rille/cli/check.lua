-- rille check: every stage of a recipe on one batch, before a night is lost.
local common = require "rille.cli.common"

local command = { name = "check", usage = "RECIPE [options]",
  words = { least = 1, most = 1, what = "a recipe" },
  doc = "every stage on one batch: shapes, parameters, memory, seconds, class counts",
  options = { common.PRESET, common.DATA, common.SEED, common.SET, common.THREADS,
    { name = "overfit", value = "N", kind = "integer", lo = 1,
      doc = "instead: can every stage learn N images by heart in 100 steps" } } }

function command.run(o)
  common.threads(o)
  local recipe = require "rille.run.recipe".load(o[1], { preset = o.preset, set = o.set })
  local trial, how = require "rille.run.trial", { data = o.data, seed = o.seed or 1, out = print }
  if o.overfit then trial.overfit(recipe, o.overfit, how) else trial.check(recipe, how) end
  return 0
end

return command
