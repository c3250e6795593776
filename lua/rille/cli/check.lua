-- rille check: every stage of a recipe on one batch, before a night is lost.
local common = require "rille.cli.common"

local command = { name = "check", usage = "RECIPE [options]",
  words = { least = 1, most = 1, what = "a recipe" },
  doc = "every stage on one batch: shapes, parameters, memory, seconds, class counts",
  options = { common.PRESET, common.DATA, common.SEED, common.SET, common.THREADS } }

function command.run(o)
  common.threads(o)
  local recipe = require "rille.run.recipe".load(o[1], { preset = o.preset, set = o.set })
  require "rille.run.trial".check(recipe, { data = o.data, seed = o.seed or 1, out = print })
  return 0
end

return command
