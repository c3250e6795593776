-- Saliency maps against where people looked, image by image: NSS, information gain, areas against the other
-- pixels. Fixations as gaze.lua describes. Source: arXiv:1604.03605.

local core = require "rille.core"
local check = require "rille.util.check"
local gaze = require "rille.metrics.gaze"
local images = require "rille.metrics.images"

local fixations = {}

local EPS = 2.2204e-16 -- of the benchmark

-- Per image the mean over its fixated pixels of the rows' values there; false without fixations.
local function mean_at(rows, places)
  local pixels, all, out, k = rows.shape[2], {}, {}, 0
  for i, mine in ipairs(places) do
    for _, pixel in ipairs(mine) do all[#all + 1] = (i - 1) * pixels + pixel end
  end
  local found = gaze.at(core.reshape(rows, { -1 }), all):tolist()
  for i, mine in ipairs(places) do
    local sum = 0
    for _ = 1, #mine do
      k = k + 1
      sum = sum + found[k]
    end
    out[i] = #mine > 0 and sum / #mine
  end
  return out
end

---NSS: mean over fixated pixels of (P - mean P)/std P, std over pixels - 1.
---Undefined (false) for a constant map and without fixations.
---@param p rille.Tensor
---@param list table[]|rille.Tensor fixations
---@return (number|false)[] per image
function fixations.nss(p, list)
  local rows, places = gaze.read("metrics.nss", p, list)
  local along = { dim = -1, keepdim = true }
  local z = (rows - core.mean(rows, along)) / core.std(rows, along)
  return images.undefined_where(mean_at(z, places), gaze.constant(rows))
end

---Information gain, in bits: mean over fixated pixels of log2(eps + P) - log2(eps + B), both divided by their
---sums, eps = 2.2204e-16.
---Undefined (false) for a zero map P or B and without fixations.
---@param p rille.Tensor
---@param list table[]|rille.Tensor fixations
---@param baseline rille.Tensor one map for all images, 1 x 1 x H x W, or one for each: the centre bias, or
---  the mean of other images' maps
---@return (number|false)[] per image
function fixations.information_gain(p, list, baseline)
  local who = "metrics.information_gain"
  local rows, places = gaze.read(who, p, list)
  if not core.is_tensor(baseline) then error(who .. ": the baseline is a tensor", 2) end
  local n = baseline.shape[1]
  local pixels = baseline:numel() // math.max(n, 1)
  if pixels ~= rows.shape[2] or n ~= 1 and n ~= rows.shape[1] then
    error(("%s: maps are %s, the baseline %s; it is one map of that size, or one for each"):format(who,
      check.shape_text(p), check.shape_text(baseline)), 2)
  end
  local q, no_q = images.density(rows)
  local b, no_b = images.density(core.expand(images.flat(baseline), rows.shape))
  local gain = (core.log(q + EPS) - core.log(b + EPS)) * (1 / math.log(2))
  return images.undefined_where(images.undefined_where(mean_at(gain, places), no_q), no_b)
end

---AUC-Judd: thresholds are the values at the fixated pixels, falling; at the i-th of n, TP = i/n and
---FP = (count(P >= threshold) - i)/(pixels - n); with (0, 0) and (1, 1), by trapezoids. No jitter, so ties
---give the formula's number, which is not the exact area (fixation_auc is).
---Undefined (false) for a constant map, without fixations, and where every pixel is fixated.
---@param p rille.Tensor
---@param list table[]|rille.Tensor fixations
---@return (number|false)[] per image
function fixations.auc_judd(p, list)
  local rows, places = gaze.read("metrics.auc_judd", p, list)
  return gaze.per_image(rows, places, gaze.constant(rows), function(row, mine)
    local n, others = #mine, rows.shape[2] - #mine
    local values = core.sort(gaze.at(row, mine), -1, { descending = true })
    local larger, equal = gaze.ranked(values, row)
    local area, tp, fp = 0, 0, 0
    for i, count in ipairs((larger + equal):tolist()) do
      local x, y = (count - i) / others, i / n
      area, tp, fp = area + (x - fp) * (y + tp) / 2, y, x
    end
    return area + (1 - fp) * (1 + tp) / 2
  end)
end

local function holds_nan(rows)
  local out = rows:sum(-1):tolist()
  for i, s in ipairs(out) do out[i] = s ~= s end
  return out
end

---The exact area under the ROC curve of fixated against all other pixels, ties counting half; a constant map
---has 0.5. Undefined (false) without fixations, and where every pixel is fixated.
---@param p rille.Tensor
---@param list table[]|rille.Tensor fixations
---@return (number|false)[] per image
function fixations.fixation_auc(p, list)
  local rows, places = gaze.read("metrics.fixation_auc", p, list)
  return gaze.per_image(rows, places, holds_nan(rows), function(row, mine)
    local n = #mine
    -- among themselves the fixated win n * n/2 pairs
    return (gaze.wins(gaze.at(row, mine), row) - n * n / 2) / (n * (rows.shape[2] - n))
  end)
end

return fixations
