-- What the metrics of fixations share. Fixations are never interpolated: they come per image as a list of
-- { x = , y = } or { x, y } in pixels of the map, as fixations.csv has them (0 <= x < W from the left,
-- 0 <= y < H from the top; a pixel holds its left and upper edge), or as a map N x 1 x H x W that is not 0
-- where somebody looked. A pixel counts once.

local core = require "rille.core"
local check = require "rille.util.check"
local images = require "rille.metrics.images"

local gaze = {}

local AT_ONCE = 1 << 21 -- comparisons in one tensor, at most about

local function place(who, f, i, k, H, W)
  local x, y = f.x or f[1], f.y or f[2]
  if type(x) ~= "number" or type(y) ~= "number" then
    error(("%s: fixation %d of image %d has no x and y"):format(who, k, i), 5)
  end
  if not (x >= 0 and x < W and y >= 0 and y < H) then
    local text = "%s: fixation %d of image %d is at %g, %g, outside the map of %dx%d; leave it out"
    error(text:format(who, k, i, x, y, H, W), 5)
  end
  return math.floor(y) * W + math.floor(x) + 1
end

-- Per image the fixated pixels, from 1, rising, each once.
local function places_of_lists(who, list, N, H, W)
  if #list ~= N then error(("%s: %d maps, fixations of %d images"):format(who, N, #list), 4) end
  local out = {}
  for i, points in ipairs(list) do
    local seen, mine = {}, {}
    for k, f in ipairs(points) do
      local at = place(who, f, i, k, H, W)
      if not seen[at] then seen[at], mine[#mine + 1] = true, at end
    end
    table.sort(mine)
    out[i] = mine
  end
  return out
end

local function places_of_map(x)
  local flat, out = images.flat(x):ne(0):to("f64"), {}
  for i = 1, x.shape[1] do out[i] = images.places(flat[{ i }]):tolist() end
  return out
end

-- The maps as N x pixels in f64, and the fixated pixels of each.
function gaze.read(who, p, list)
  if not core.is_tensor(p) or #p.shape < 3 then error(who .. ": takes maps N x 1 x H x W or N x H x W", 3) end
  if core.is_tensor(list) then
    images.same_shape(who, p, list, 3, "N x 1 x H x W or N x H x W", 4)
    return images.flat(p), places_of_map(list)
  end
  local H, W = p.shape[#p.shape - 1], p.shape[#p.shape]
  if #p.shape > 4 or #p.shape == 4 and p.shape[2] ~= 1 then
    error(("%s: the maps are %s; they have one channel"):format(who, check.shape_text(p)), 3)
  end
  return images.flat(p), places_of_lists(who, list, p.shape[1], H, W)
end

local function index(list) return core.tensor(list, { dtype = "i64" }) end

-- One row's values at some of its pixels.
function gaze.at(row, list) return core.index_select(row, index(list), 1) end

function gaze.constant(rows) -- which are, or hold a NaN
  local low, high, out = core.min(rows, { dim = -1 }), core.max(rows, { dim = -1 }), {}
  local spread = (high - low):tolist()
  for i, s in ipairs(spread) do out[i] = s <= 0 or s ~= s end
  return out
end

-- For each value how many of `among` are larger, and how many equal.
function gaze.ranked(values, among)
  local n, M = values.shape[1], among.shape[1]
  local rows, larger, equal = math.max(1, AT_ONCE // math.max(M, 1)), {}, {}
  for first = 1, n, rows do
    local count = math.min(rows, n - first + 1)
    local v = core.reshape(core.narrow(values, 1, first, count), { count, 1 })
    local a = core.reshape(among, { 1, M })
    larger[#larger + 1] = core.gt(a, v):to("f64"):sum(-1)
    equal[#equal + 1] = core.eq(a, v):to("f64"):sum(-1)
  end
  return core.cat(larger, 1), core.cat(equal, 1)
end

-- Pairs that a value wins against `among`, ties counting half.
function gaze.wins(values, among)
  if among.shape[1] == 0 then return 0 end
  local larger, equal = gaze.ranked(values, among)
  return values.shape[1] * among.shape[1] - (larger + equal * 0.5):sum():item()
end

-- One answer per image that has fixations and other pixels and is not constant (if that matters).
function gaze.per_image(rows, places, skip, f)
  local out = {}
  for i, mine in ipairs(places) do
    local fits = #mine > 0 and #mine < rows.shape[2] and not skip[i]
    out[i] = fits and f(rows[{ i }], mine, i)
  end
  return out
end

return gaze
