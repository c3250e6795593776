-- Kinds of outputs that a run can score, as R.report and a stage's `watch` name them:
--   classify = "logits"      N x classes, against batch.label
--   saliency = "map"         logits N x 1 x H x W, against batch.saliency
--   segment = "mask"         logits N x 1 x H x W (foreground above 0), or N x 2 x H x W (foreground second),
--                            against batch.mask; { "mask", attention = "gates" }: the list of maps
--                            N x 1 x h x w of that output is shown beside it
--   restore = "restored"     N x C x H x W in 0..1, against batch.image; { "restored", from = "degraded",
--                            truth = "clean" } names the outputs that it was made from and that it should be
--   multilabel = "logits"    N x findings, sigmoids, against batch.labels (1, 0; anything else: unknown)
-- Each puts what it found into the rows of the images.
local check = require "rille.util.check"
local rl = require "rille"

local kinds = {}

kinds.ALL = { "classify", "multilabel", "restore", "saliency", "segment" }

---Scores of one image, in the order of tables.
kinds.SCORES = { "cc", "hs", "kl", "nss", "auc_judd", "sauc", "ig", "dice", "iou", "mean_iou", "sensitivity",
  "specificity", "mask_precision", "hd95", "psnr", "ssim", "psnr_inside", "ssim_inside", "psnr_outside",
  "ssim_outside" }

-- What an epoch's line calls the means, where that is not the score's own name.
local MEAN_NAME = { kl = "kl_map" }

local MEANS = {
  classify = { "auc", "accuracy" },
  multilabel = { "auc", "ap" },
  saliency = { "cc", "hs", "kl_map" },
  segment = { "dice", "iou", "mean_iou", "sensitivity", "specificity", "mask_precision", "hd95" },
  restore = { "psnr", "ssim" },
}
local LOWER_IS_BETTER = { kl_map = true, hd95 = true }

---The names of the figures that a table of kinds gives for an epoch.
---@param watch table<string, any>
---@return string[]
function kinds.names(watch)
  local out = {}
  for _, kind in ipairs(kinds.ALL) do
    if watch[kind] then table.move(MEANS[kind], 1, #MEANS[kind], #out + 1, out) end
  end
  return out
end

---The kind that gives a figure of this name.
---@param name string
---@return string?
function kinds.giver(name)
  for _, kind in ipairs(kinds.ALL) do
    for _, one in ipairs(MEANS[kind]) do
      if one == name then return kind end
    end
  end
end

---Whether a larger value of what an epoch measured is the better one; losses are better when smaller.
---@param name string
---@return boolean
function kinds.is_higher_better(name) return kinds.giver(name) ~= nil and not LOWER_IS_BETTER[name] end

---Raises where a table of kinds is none.
---@param where string
---@param watch any
function kinds.check(where, watch)
  if type(watch) ~= "table" then
    error(where .. ': is a table; write { classify = "name of an output" }', 0)
  end
  for kind, spec in pairs(watch) do
    if not MEANS[kind] then
      local near = check.nearest(tostring(kind), kinds.ALL)
      error(('%s: there is no "%s"%s; there are %s'):format(where, tostring(kind),
        near and (', did you mean "%s"?'):format(near) or "", table.concat(kinds.ALL, ", ")), 0)
    end
    if type(kinds.output(spec)) ~= "string" then
      error(('%s.%s: is the name of an output'):format(where, kind), 0)
    end
  end
  if watch.classify and watch.multilabel then
    error(where .. ": classify and multilabel exclude each other; an image has one label or several", 0)
  end
end

---The output that a kind scores.
---@param spec string|table
---@return string
function kinds.output(spec) return type(spec) == "table" and spec[1] or spec end

---All outputs that a kind reads.
---@param spec string|table
---@return string[]
function kinds.outputs(spec)
  if type(spec) == "string" then return { spec } end
  return { spec[1], spec.from or spec.truth, spec.from and spec.truth }
end

local function bad_shape(name, t, wanted)
  error(('output "%s" is %s; it must be %s'):format(name, check.shape_text(t), wanted), 0)
end

-- Lists per image into the rows; false and what is not finite count as undefined.
local function put(rows, key, list, has)
  for i, row in ipairs(rows) do
    local v = list[i]
    if v and math.abs(v) < math.huge and (not has or has[i]) then row[key] = v end
  end
end

local function truths(flags, n) -- of a bool tensor
  local list, out = flags:tolist(), {}
  for i = 1, n do out[i] = list[i] == true or list[i] == 1 end
  return out
end

---Put class probabilities into rows.
---@param rows table[]
---@param p number[][] per row
---@param labels? integer[] 0: none
function kinds.put_classes(rows, p, labels)
  local predicted = rl.metrics.predicted(p)
  for i, row in ipairs(rows) do
    row.p, row.predicted = p[i], predicted[i]
    if labels and labels[i] > 0 then row.label = labels[i] end
  end
end

---Put scores of map logits against the batch's gaze maps into rows; rows without a gaze map get none.
---@param rows table[]
---@param logits rille.Tensor N x 1 x H x W
---@param batch table
function kinds.put_maps(rows, logits, batch)
  if not batch.saliency then return end
  local m, q, has = rl.metrics, rl.metrics.density(logits), truths(batch.has_saliency, #rows)
  put(rows, "cc", m.cc(q, batch.saliency), has)
  put(rows, "hs", m.hs(q, batch.saliency), has)
  put(rows, "kl", m.saliency_kl(logits, batch.saliency), has)
end

---Keep maps and fixations in rows for kinds.put_gaze, which needs those of the whole split.
---@param rows table[]
---@param q rille.Tensor N x 1 x H x W
---@param batch table with fixations
function kinds.keep_map(rows, q, batch)
  q = q:to("f32")
  for i, row in ipairs(rows) do row.map, row.fixations = q[{ { i, i } }], batch.fixations[i] end
end

---Put NSS, AUC-Judd, shuffled AUC and information gain (bits) over `baseline` into rows whose maps and
---fixations were kept; the maps are let go.
---@param rows table[] of a whole split
---@param baseline? rille.Tensor one map of that size; without it no information gain
function kinds.put_gaze(rows, baseline)
  local kept, m = kinds.having(rows, "map"), rl.metrics
  if #kept == 0 then return end
  local maps, looked = rl.cat(kinds.column(kept, "map"), 1), kinds.column(kept, "fixations")
  put(kept, "nss", m.nss(maps, looked))
  put(kept, "auc_judd", m.auc_judd(maps, looked))
  put(kept, "sauc", m.shuffled_auc(maps, looked))
  local size = maps.shape
  if baseline then
    put(kept, "ig", m.information_gain(maps, looked, baseline:reshape { 1, 1, size[3], size[4] }))
  end
  for _, row in ipairs(kept) do row.map, row.fixations = nil, nil end
end

---The foreground of mask logits.
---@param logits rille.Tensor N x 1 x H x W or N x 2 x H x W
---@param name? string of the output, for the message
---@return rille.Tensor bool N x 1 x H x W
function kinds.foreground(logits, name)
  local C = #logits.shape == 4 and logits.shape[2]
  if C == 1 then return logits:gt(0) end
  if C ~= 2 then
    bad_shape(name or "mask", logits, "images x 1 x H x W, or x 2 with the foreground second")
  end
  return logits[{ {}, { 2, 2 } }]:gt(logits[{ {}, { 1, 1 } }])
end

---Put scores of masks into rows; rows without a mask get none.
---@param rows table[]
---@param predicted rille.Tensor bool N x 1 x H x W
---@param batch table
---@param with_distance? boolean HD95 too, in pixels of the recipe's size
function kinds.put_masks(rows, predicted, batch, with_distance)
  if not batch.mask then return end
  local m, has = rl.metrics, truths(batch.has_mask, #rows)
  local s = m.mask_scores(predicted, batch.mask)
  s.mask_precision = s.precision
  for _, key in ipairs { "dice", "iou", "mean_iou", "sensitivity", "specificity", "mask_precision" } do
    put(rows, key, s[key], has)
  end
  if with_distance then put(rows, "hd95", m.hausdorff(predicted, batch.mask, { percentile = 95 }), has) end
end

---Put PSNR (dB) and SSIM (Gaussian window of 11, zeros outside) into rows; with masks also inside and outside
---of them.
---@param rows table[]
---@param x rille.Tensor N x C x H x W in 0..1
---@param truth rille.Tensor of that shape
---@param batch? table with the masks
function kinds.put_restored(rows, x, truth, batch)
  local m = rl.metrics
  put(rows, "psnr", m.psnr(x, truth, { data_range = 1 }))
  put(rows, "ssim", m.ssim(x, truth, { data_range = 1, padding = "zero" }))
  if not (batch and batch.mask) then return end
  local has = truths(batch.has_mask, #rows)
  for side, outside in pairs { inside = false, outside = true } do
    local o = { data_range = 1, mask = batch.mask, outside = outside }
    put(rows, "psnr_" .. side, m.psnr(x, truth, o), has)
    o.padding = "zero"
    put(rows, "ssim_" .. side, m.ssim(x, truth, o), has)
  end
end

-- ---- each kind: rows, y, batch, o { spec, classes, is_full }

kinds.take = {}

function kinds.take.classify(rows, y, batch, o)
  local name = kinds.output(o.spec)
  local logits = y[name]
  if #logits.shape ~= 2 or logits.shape[2] ~= #o.classes then
    bad_shape(name, logits, ("images x %d classes"):format(#o.classes))
  end
  kinds.put_classes(rows, rl.softmax(logits:to("f64"), -1):tolist(), batch.label:tolist())
end

function kinds.take.multilabel(rows, y, batch, o)
  local name = kinds.output(o.spec)
  local q = rl.sigmoid(y[name]:to("f64"))
  local truth = batch.labels and batch.labels:tolist()
  if truth and q.shape[2] ~= batch.labels.shape[2] then
    bad_shape(name, q, ("images x %d findings"):format(batch.labels.shape[2]))
  end
  for i, list in ipairs(q:tolist()) do rows[i].q, rows[i].findings = list, truth and truth[i] end
end

function kinds.take.saliency(rows, y, batch, o)
  local logits = y[kinds.output(o.spec)]
  kinds.put_maps(rows, logits, batch)
  if o.is_full and batch.fixations then kinds.keep_map(rows, rl.metrics.density(logits), batch) end
end

function kinds.take.segment(rows, y, batch, o)
  local name = kinds.output(o.spec)
  if batch.mask then kinds.put_masks(rows, kinds.foreground(y[name], name), batch, o.is_full) end
end

---What a restored image should be.
---@param spec string|table
---@param y table
---@param batch table
---@return rille.Tensor
function kinds.truth(spec, y, batch)
  return type(spec) == "table" and spec.truth and y[spec.truth] or batch.image
end

function kinds.take.restore(rows, y, batch, o)
  local x, truth = y[kinds.output(o.spec)], kinds.truth(o.spec, y, batch)
  if check.shape_text(x) ~= check.shape_text(truth) then
    bad_shape(kinds.output(o.spec), x, "as the original, " .. check.shape_text(truth))
  end
  kinds.put_restored(rows, x, truth, o.is_full and batch or nil)
end

---Means of an epoch out of rows, as far as they are defined.
---@param watch table
---@param rows table[]
---@return table<string, number>
function kinds.means(watch, rows)
  local out, m = {}, rl.metrics
  for _, key in ipairs(kinds.SCORES) do
    local list = kinds.column(rows, key)
    local s = m.summary(list)
    if s.n > 0 then out[MEAN_NAME[key] or key] = s.mean end
  end
  local labelled = kinds.having(rows, "label")
  if watch.classify and #labelled > 0 then
    local labels = kinds.column(labelled, "label")
    out.auc = m.one_vs_rest(kinds.column(labelled, "p"), labels).macro
    out.accuracy = m.accuracy(kinds.column(labelled, "predicted"), labels)
  end
  labelled = kinds.having(rows, "findings")
  if watch.multilabel and #labelled > 0 then
    local f = m.multilabel(kinds.column(labelled, "q"), kinds.column(labelled, "findings"))
    out.auc, out.ap = f.macro, m.summary(f.average_precision).mean
  end
  return out
end

---One column of the rows.
---@param rows table[]
---@param name string
---@return any[] false where a row has none
function kinds.column(rows, name)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row[name] or false end
  return out
end

---The rows that have something.
---@param rows table[]
---@param name string
---@return table[]
function kinds.having(rows, name)
  local out = {}
  for _, row in ipairs(rows) do
    if row[name] then out[#out + 1] = row end
  end
  return out
end

return kinds
