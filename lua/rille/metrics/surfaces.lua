-- Distances between the boundaries of two masks, image by image. A boundary is the mask minus its erosion by
-- the 4-neighbourhood, where everything outside the image counts as background; distances are exact, between
-- pixel centres. Cost: the product of the two boundaries' lengths.

local core = require "rille.core"
local check = require "rille.util.check"
local images = require "rille.metrics.images"
local values = require "rille.metrics.values"

local surfaces = {}

local AT_ONCE = 1 << 20 -- distances in one tensor, at most about

-- Masks as N x 1 x H x W of 0 and 1.
local function planes(mask, threshold)
  local s = mask.shape
  return core.reshape(images.foreground(mask, threshold), { s[1], 1, s[#s - 1], s[#s] })
end

local function boundary(m) -- N x pixels
  local cross = core.tensor({ { { { 0, 1, 0 }, { 1, 1, 1 }, { 0, 1, 0 } } } }, { dtype = "f64" })
  local inner = core.conv2d(m, cross, { padding = 1 }):gt(4.5):to("f64")
  return images.flat(m - inner)
end

-- Distances from each point of a to the nearest of b, and from each of b to the nearest of a. Points: 2 x n
local function nearest(a, b)
  local n, M, there, back = a.shape[2], b.shape[2], {}, nil
  local rows = math.max(1, AT_ONCE // M)
  for first = 1, n, rows do
    local count, squares = math.min(rows, n - first + 1), 0
    for axis = 1, 2 do
      local p = core.reshape(core.narrow(a[{ axis }], 1, first, count), { count, 1 })
      local d = p - core.reshape(b[{ axis }], { 1, M })
      squares = d * d + squares
    end
    there[#there + 1] = core.min(squares, { dim = 2 })
    local least = core.min(squares, { dim = 1 })
    back = back and core.minimum(back, least) or least
  end
  return core.sqrt(core.cat(there, 1)):tolist(), core.sqrt(back):tolist()
end

local function percentile(list, q)
  table.sort(list)
  return values.quantile(list, q / 100)
end

-- y and x of every pixel, in units of `spacing`: 2 x pixels
local function grid(H, W, spacing)
  local f64 = { dtype = "f64" }
  local y = core.reshape(core.arange(H, f64), { H, 1 }) * spacing[1]
  local x = core.reshape(core.arange(W, f64), { 1, W }) * spacing[2]
  return core.stack({ core.reshape(core.expand(y, { H, W }), { -1 }),
    core.reshape(core.expand(x, { H, W }), { -1 }) }, 1)
end

local function points(all, row) return core.index_select(all, images.places(row), 2) end

local function spacing_of(who, s)
  local pair = type(s) == "table" and s or { s, s }
  for axis = 1, 2 do check.number(who, "spacing", pair[axis], 1e-12) end
  return pair
end

-- f of the distances there and back, per image; infinite with one empty mask, false with two.
local function per_image(who, predicted, truth, o, f)
  images.same_shape(who, predicted, truth, 3, "N x 1 x H x W or N x H x W")
  local p, t = planes(predicted, o.threshold), planes(truth, o.threshold)
  local all = grid(p.shape[3], p.shape[4], spacing_of(who, o.spacing))
  local bp, bt = boundary(p), boundary(t)
  local np, nt, out = bp:sum(-1):tolist(), bt:sum(-1):tolist(), {}
  for i = 1, #np do
    if np[i] > 0 and nt[i] > 0 then
      out[i] = f(nearest(points(all, bp[{ i }]), points(all, bt[{ i }])))
    else
      out[i] = (np[i] > 0 or nt[i] > 0) and math.huge
    end
  end
  return out
end

local defaults = { spacing = 1, threshold = 0.5 }

---Hausdorff distance: the larger of the two directed maxima of distances to the nearest boundary pixel. With
---`percentile` (95 in HD95) the larger of the two directed percentiles, linear between order statistics, not
---the percentile of the pooled distances.
---Undefined (false): both masks empty. With one empty the distance is infinite, and so is every mean over it.
---@param predicted rille.Tensor N x 1 x H x W or N x H x W: bool, integers (not 0) or floats (> threshold)
---@param truth rille.Tensor of that shape
---@param opts? { percentile: number?, spacing: number|number[]?, threshold: number? } default 100, 1, 0.5;
---  spacing: the size of a pixel, or { height, width } of it; distances come in its unit
---@return (number|false)[] per image
function surfaces.hausdorff(predicted, truth, opts)
  local who = "metrics.hausdorff"
  local o = check.options(who, opts, { percentile = 100, spacing = 1, threshold = 0.5 })
  check.number(who, "percentile", o.percentile, 0, 100)
  return per_image(who, predicted, truth, o, function(there, back)
    return math.max(percentile(there, o.percentile), percentile(back, o.percentile))
  end)
end

---Average surface distance: the mean over the prediction's boundary of the distance to the truth's. Undefined
---and infinite as the Hausdorff distance.
---@param predicted rille.Tensor N x 1 x H x W or N x H x W
---@param truth rille.Tensor of that shape
---@param opts? { spacing: number|number[]?, threshold: number? }
---@return (number|false)[] per image
function surfaces.surface_distance(predicted, truth, opts)
  local who = "metrics.surface_distance"
  return per_image(who, predicted, truth, check.options(who, opts, defaults), values.mean)
end

---Average symmetric surface distance: the mean over the distances of both directions, pooled (not the mean of
---the two means). Undefined and infinite as the Hausdorff distance.
---@param predicted rille.Tensor N x 1 x H x W or N x H x W
---@param truth rille.Tensor of that shape
---@param opts? { spacing: number|number[]?, threshold: number? }
---@return (number|false)[] per image
function surfaces.symmetric_surface_distance(predicted, truth, opts)
  local who = "metrics.symmetric_surface_distance"
  return per_image(who, predicted, truth, check.options(who, opts, defaults), function(there, back)
    return values.mean(table.move(back, 1, #back, #there + 1, there))
  end)
end

return surfaces
