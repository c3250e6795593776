-- Shuffled AUC: saliency maps against where people looked on other images, which takes away what the centre
-- bias alone would earn. Fixations as gaze.lua describes. Source: arXiv:1604.03605.

local core = require "rille.core"
local check = require "rille.util.check"
local gaze = require "rille.metrics.gaze"
local random = require "rille.util.random"

local shuffled = {}

-- How many images look at each pixel, and all pixels that anybody looks at.
local function pool_of(places)
  local lookers, pool = {}, {}
  for _, mine in ipairs(places) do
    for _, pixel in ipairs(mine) do
      if not lookers[pixel] then pool[#pool + 1] = pixel end
      lookers[pixel] = (lookers[pixel] or 0) + 1
    end
  end
  table.sort(pool)
  return lookers, pool
end

local function alone(mine, lookers) -- the pixels that only this image has
  local out = {}
  for _, pixel in ipairs(mine) do
    if lookers[pixel] == 1 then out[#out + 1] = pixel end
  end
  return out
end

-- One draw of the benchmark: n values without replacement, thresholds 0, step, .. up to the largest value.
local function drawn_area(fixated, others, n, step, draw)
  for k = 1, n do
    local j = k - 1 + draw(#others - k + 1)
    others[k], others[j] = others[j], others[k]
  end
  local most = 0
  for _, v in ipairs(fixated) do most = math.max(most, v) end
  for k = 1, n do most = math.max(most, others[k]) end
  local area, tp, fp = 0, 0, 0
  for k = math.floor(most / step), 0, -1 do
    local x, y = 0, 0
    for _, v in ipairs(fixated) do y = y + (v >= k * step and 1 or 0) end
    for j = 1, n do x = x + (others[j] >= k * step and 1 or 0) end
    x, y = x / n, y / #fixated
    area, tp, fp = area + (x - fp) * (y + tp) / 2, y, x
  end
  return area + (1 - fp) * (1 + tp) / 2
end

-- The benchmark's form: the mean over draws, on the map scaled to [0, 1].
local function drawn(row, mine, pool, o, draw)
  local low, high = row:min():item(), row:max():item()
  local function scaled(list) return ((gaze.at(row, list) - low) * (1 / (high - low))):tolist() end
  local fixated, others, sum = scaled(mine), scaled(pool), 0
  for _ = 1, o.draws do
    sum = sum + drawn_area(fixated, others, math.min(#fixated, #others), o.step, draw)
  end
  return sum / o.draws
end

---Shuffled AUC: fixated pixels against those fixated on the other images of the set (their union; a pixel
---may be both). By default the exact area against the whole pool, ties counting half. With `draws` the
---benchmark's: the mean over draws of n pool pixels, thresholds 0, step, 2 step .. on the map scaled to
---[0, 1].
---Undefined (false) for a constant map, without fixations, and where no other image has any.
---@param p rille.Tensor
---@param list table[]|rille.Tensor fixations
---@param opts? { draws: integer, step: number, seed: integer } the benchmark has draws = 100, step = 0.1;
---  default seed 1
---@return (number|false)[] per image
function shuffled.shuffled_auc(p, list, opts)
  local who = "metrics.shuffled_auc"
  local o = check.options(who, opts, { draws = check.none, step = 0.1, seed = 1 })
  if o.draws then check.integer(who, "draws", o.draws, 1) end
  check.number(who, "step", o.step, 1e-6, 1)
  local rows, places = gaze.read(who, p, list)
  local lookers, pool = pool_of(places)
  local all, draw = core.tensor(pool, { dtype = "i64" }), random(o.seed)
  return gaze.per_image(rows, places, gaze.constant(rows), function(row, mine)
    local own = alone(mine, lookers)
    local M = #pool - #own
    if M == 0 then return false end
    if o.draws then
      local mask, others = {}, {}
      for _, pixel in ipairs(own) do mask[pixel] = true end
      for _, pixel in ipairs(pool) do others[#others + 1] = not mask[pixel] and pixel or nil end
      return drawn(row, mine, others, o, draw)
    end
    local values = gaze.at(row, mine)
    local won = gaze.wins(values, core.index_select(row, all, 1)) - gaze.wins(values, gaze.at(row, own))
    return won / (#mine * M)
  end)
end

return shuffled
