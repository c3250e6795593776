-- Does an enhancer that listened to a recogniser keep its gain on images of another kind than its own?
-- Table IV of Zhang and Cheng, arXiv:2501.01114: diagnosis, noise of 0.3, trained on skin, tested on tissue.
-- rille run gradprom_shift --vary strategy=joint,hard --vary shift=none,negative
-- rille run gradprom_shift --data SKIN --set shift=none; rille eval RUN --data TISSUE    two folders
--   shift           none (the table's "base": tested on images of the kind it was trained on), or negative:
--                   the test images are negatives, as films may be printed; a shift that any one set has
local rl = require "rille"

local R = rl.recipe "gradprom"
R.options.task, R.options.sigma, R.options.shift = "classify", 0.3, "negative"

local SHIFTS = { none = function(image) return image end, negative = function(image) return 1 - image end }

local forward = R.forward
function R.forward(m, batch, o)
  local shifted = batch
  if batch.split == "test" then
    shifted = setmetatable({ image = rl.one_of(o, "shift", SHIFTS)(batch.image) }, { __index = batch })
  end
  local y = forward(m, shifted, o)
  y.clean = function() return shifted.image end
  return y
end

function R.report(o) -- restoration alone: the other set's classes are others
  if o.strategy:match "^benchmark" then error("strategy: a benchmark restores nothing; take another", 0) end
  return { restore = { "restored", from = "shown", truth = "clean" } }
end

return R
