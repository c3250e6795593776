-- Segmentations. Masks of one structure are scored image by image; maps of several classes are counted first.
-- A mask's foreground: true, whole numbers other than 0, floats above `threshold` (0.5).

local core = require "rille.core"
local check = require "rille.util.check"
local images = require "rille.metrics.images"

local masks = {}

local SHAPES = "N x 1 x H x W or N x H x W"

-- Counts per image; pixels of the truth that hold ignore_index are left out.
local function count(who, predicted, truth, o)
  images.same_shape(who, predicted, truth, 2, SHAPES, 4)
  check.number(who, "threshold", o.threshold)
  if o.empty ~= nil then check.number(who, "empty", o.empty, 0, 1) end
  local p = images.flat(images.foreground(predicted, o.threshold))
  local t = images.flat(images.foreground(truth, o.threshold))
  local all = core.ones(p.shape, { dtype = "f64" })
  if o.ignore_index then
    all = images.flat(truth):ne(o.ignore_index):to("f64")
    p, t = p * all, t * all
  end
  local tp, said = (p * t):sum(-1):tolist(), p:sum(-1):tolist()
  local real, n = t:sum(-1):tolist(), all:sum(-1):tolist()
  local out = {}
  for i = 1, #tp do
    out[i] = { tp = tp[i], fp = said[i] - tp[i], fn = real[i] - tp[i], tn = n[i] - said[i] - real[i] + tp[i] }
  end
  return out
end

local function ratio(above, below) return below > 0 and above / below end

local function mean_iou_of(c)
  local fore, back = ratio(c.tp, c.tp + c.fp + c.fn), ratio(c.tn, c.tn + c.fp + c.fn)
  if fore and back then return (fore + back) / 2 end
  return fore or back
end

local FIGURES = {
  dice = function(c) return ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn) end,
  iou = function(c) return ratio(c.tp, c.tp + c.fp + c.fn) end,
  mean_iou = mean_iou_of,
  sensitivity = function(c) return ratio(c.tp, c.tp + c.fn) end,
  specificity = function(c) return ratio(c.tn, c.tn + c.fp) end,
  precision = function(c) return ratio(c.tp, c.tp + c.fp) end,
  accuracy = function(c) return ratio(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn) end,
}

local SETTLED = { dice = true, iou = true } -- for two empty masks by the caller

local function defaults(may_settle)
  return { threshold = 0.5, ignore_index = check.none, empty = may_settle and check.none or nil }
end

-- Dice and IoU of two empty masks are what the caller says, else undefined.
local function of_counts(name, counts, empty)
  local out = {}
  for i, c in ipairs(counts) do
    out[i] = FIGURES[name](c)
    if SETTLED[name] and not out[i] and empty then out[i] = empty end
  end
  return out
end

local function figure(name, predicted, truth, opts)
  local who = "metrics." .. name
  local o = check.options(who, opts, defaults(SETTLED[name]))
  return of_counts(name, count(who, predicted, truth, o), o.empty)
end

---Dice's coefficient of masks: 2 tp/(2 tp + fp + fn). An empty truth with a prediction scores 0; both empty
---score `empty`, 1 or 0, and are undefined (false) without it. The mean of Dice is not the Dice of pooled
---counts.
---@param predicted rille.Tensor N x 1 x H x W or N x H x W
---@param truth rille.Tensor of that shape
---@param opts? { empty: number?, threshold: number?, ignore_index: number? } pixels where the truth is
---  ignore_index are left out
---@return (number|false)[] per image
function masks.dice(predicted, truth, opts) return figure("dice", predicted, truth, opts) end

---Intersection over union of the foreground (Jaccard): tp/(tp + fp + fn); both empty as in dice.
---@param predicted rille.Tensor N x 1 x H x W or N x H x W
---@param truth rille.Tensor of that shape
---@param opts? { empty: number?, threshold: number?, ignore_index: number? }
---@return (number|false)[] per image
function masks.iou(predicted, truth, opts) return figure("iou", predicted, truth, opts) end

---mIoU of masks: the mean of the IoU of foreground and background. One of them with an empty union is left
---out, so two empty masks have 1, that of the background. Undefined (false): every pixel ignored.
---@param predicted rille.Tensor N x 1 x H x W or N x H x W
---@param truth rille.Tensor of that shape
---@param opts? { threshold: number?, ignore_index: number? }
---@return (number|false)[] per image
function masks.mean_iou(predicted, truth, opts) return figure("mean_iou", predicted, truth, opts) end

---All figures of masks at once: dice, iou, mean_iou as above; sensitivity tp/(tp + fn), specificity
---tn/(tn + fp), precision tp/(tp + fp), accuracy; each undefined (false) where its denominator is 0.
---@param predicted rille.Tensor N x 1 x H x W or N x H x W
---@param truth rille.Tensor of that shape
---@param opts? { empty: number?, threshold: number?, ignore_index: number? }
---@return table<string, (number|false)[]> per image
function masks.mask_scores(predicted, truth, opts)
  local who, out = "metrics.mask_scores", {}
  local o = check.options(who, opts, defaults(true))
  local counts = count(who, predicted, truth, o)
  for name in pairs(FIGURES) do out[name] = of_counts(name, counts, o.empty) end
  return out
end

local AT_ONCE = 1 << 20 -- entries of one class-membership matrix, at most about

local function members(labels, K, keep) -- K x pixels of 0 and 1
  local rows = {}
  for k = 1, K do rows[k] = labels:eq(k):to("f64") * keep end
  return core.stack(rows, 1)
end

-- K x K, and how many pixels are to be counted
local function crossed(predicted, truth, K, ignore_index)
  local counts, wanted = core.zeros({ K, K }, { dtype = "f64" }), 0
  local n, step = truth.shape[1], math.max(1, AT_ONCE // K)
  for first = 1, n, step do
    local size = math.min(step, n - first + 1)
    local p = core.narrow(predicted, 1, first, size):to("f64")
    local t = core.narrow(truth, 1, first, size):to("f64")
    local keep = core.ones({ size }, { dtype = "f64" })
    if ignore_index then keep = t:ne(ignore_index):to("f64") end
    counts = counts + core.matmul(members(t, K, keep), core.transpose(members(p, K, keep), 1, 2))
    wanted = wanted + keep:sum():item()
  end
  return counts, wanted
end

---Pixels of label maps by class: counts[truth][prediction], pooled over all that is given; pixels whose truth
---is ignore_index are removed first.
---Raises: for labels outside 1 .. K.
---@param predicted rille.Tensor any shape, integers 1 .. K
---@param truth rille.Tensor of that shape
---@param K integer number of classes
---@param opts? { ignore_index: integer? } 255 in many 8-bit masks
---@return integer[][] counts as confusion's
function masks.confusion_of_maps(predicted, truth, K, opts)
  local who = "metrics.confusion_of_maps"
  local o = check.options(who, opts, { ignore_index = check.none })
  images.same_shape(who, predicted, truth, 1, "of labels")
  check.integer(who, "K", K, 1)
  local function flat(x) return core.reshape(x:detach(), { -1 }) end
  local found, wanted = crossed(flat(predicted), flat(truth), K, o.ignore_index)
  local missing, counts = wanted - found:sum():item(), found:tolist()
  if missing > 0 then error(("%s: %d pixels hold labels outside 1 to %d"):format(who, missing, K), 2) end
  for _, row in ipairs(counts) do
    for k, v in ipairs(row) do row[k] = math.tointeger(v) end
  end
  return counts
end

---IoU and Dice per class, their means over the classes whose union is not empty, and pixel accuracy
---(trace/total), out of pooled counts.
---Undefined: false for classes that neither truth nor prediction holds, nil for means over none.
---@param counts integer[][] of confusion or confusion_of_maps
---@param opts? { background: integer? } a class that the means leave out
---@return { iou: (number|false)[], dice: (number|false)[], mean_iou: number?, mean_dice: number?,
---  accuracy: number?, undefined: integer }
function masks.segmentation(counts, opts)
  local o = check.options("metrics.segmentation", opts, { background = check.none })
  local out, hits, all = { iou = {}, dice = {}, undefined = 0 }, 0, 0
  local iou, dice, n = 0, 0, 0
  for k = 1, #counts do
    local tp, truth, said = counts[k][k], 0, 0
    for j = 1, #counts do truth, said = truth + counts[k][j], said + counts[j][k] end
    out.iou[k], out.dice[k] = ratio(tp, truth + said - tp), ratio(2 * tp, truth + said)
    hits, all = hits + tp, all + truth
    if not out.iou[k] then
      out.undefined = out.undefined + 1
    elseif k ~= o.background then
      iou, dice, n = iou + out.iou[k], dice + out.dice[k], n + 1
    end
  end
  if n > 0 then out.mean_iou, out.mean_dice = iou / n, dice / n end
  out.accuracy = ratio(hits, all) or nil
  return out
end

return masks
