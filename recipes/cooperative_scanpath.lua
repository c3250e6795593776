-- Does the staged system gain when it learns where a reader looks early, midway and late, instead of one map
-- of all the looking?
-- Qiu, Rivaz, Xiao, arXiv:2403.16970, leave scanpaths open; a map per third of the viewing time is our way.
-- rille run cooperative_scanpath --data DIR                 a folder with fixations.csv; or the phantom
-- rille run cooperative --vary data.saliency=fixations,duration   one map of the same fixations: each counts
--                                                           once, or by its seconds
local rl = require "rille"
local models = rl.models

local R = rl.recipe "cooperative"

R.data.saliency = "thirds" -- batch.thirds; batch.saliency, which is scored, is their mean

local whole = R.models
function R.models(o)
  local m = whole(o)
  m.head = models.SaliencyHead { width = o.width, maps = 3 }
  return m
end

-- Each map a row: N x 3 x H x W -> 3N x 1 x H x W.
local function rows(x)
  local s = x.shape
  return x:reshape { s[1] * s[2], 1, s[3], s[4] }
end

local forward = R.forward
function R.forward(m, batch, o)
  local y = forward(m, batch, o)
  y.thirds = function(done) return m.head(done.d1) end
  y.map = function(done) -- the logarithm of the mean of three densities
    local s = done.thirds.shape
    local q = rl.softmax(done.thirds:reshape { s[1], s[2], s[3] * s[4] }, -1)
    return (q:mean { dim = { 2 } } + 1e-12):log():reshape { s[1], 1, s[3], s[4] }
  end
  return y
end

-- A third in which nobody looked has no map and adds nothing.
function R.losses.kl(y, batch) return rl.saliency_kl(rows(y.thirds), rows(batch.thirds)) end

return R
