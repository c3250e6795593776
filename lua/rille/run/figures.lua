-- metrics.json: what a run reached on a split, with bootstrap intervals, beside answers that need no
-- learning.
local ranks = require "rille.metrics.ranks"
local rl = require "rille"
local scores = require "rille.run.scores"

local figures = {}

local MAPS = { "cc", "hs", "kl" }
local POINTS = 200 -- of a ROC curve, at most about

local function interval(b) return b.low and { b.low, b.high } or nil end

-- One-vs-rest problems of labelled rows.
local function problems_of(rows, classes)
  local out = {}
  for k in ipairs(classes) do
    local s, yes = {}, {}
    for i, row in ipairs(rows) do s[i], yes[i] = row.p[k], row.label == k end
    out[k] = ranks.problem(s, yes)
  end
  return out
end

local function macro(problems, times) -- over the classes that are there
  local sum, n = 0, 0
  for _, problem in ipairs(problems) do
    local a = ranks.area(problem, times)
    if a then sum, n = sum + a, n + 1 end
  end
  return n > 0 and sum / n or nil
end

local function hits(rows)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row.predicted == row.label and 1 or 0 end
  return out
end

local function thinned(curve)
  local out, stride = { fpr = {}, tpr = {} }, math.max(1, #curve.fpr // POINTS)
  for k = 1, #curve.fpr do
    if (k - 1) % stride == 0 or k == #curve.fpr then
      out.fpr[#out.fpr + 1], out.tpr[#out.tpr + 1] = curve.fpr[k], curve.tpr[k]
    end
  end
  return out
end

local function curves(out, problems, areas, classes)
  out.roc, out.metrics.auc = {}, {}
  for k, name in ipairs(classes) do
    if areas.per_class[k] then
      local curve = thinned(rl.metrics.roc(problems[k].scores, problems[k].is_positive))
      curve.auc = areas.per_class[k]
      curve.interval = interval(rl.metrics.auc_interval(problems[k].scores, problems[k].is_positive))
      out.roc[name], out.metrics.auc[name] = curve, curve.auc
    end
  end
end

local function classification(out, all, classes)
  local rows, m = scores.labelled(all), out.metrics
  if #rows == 0 then return end
  local labels, predicted = scores.column(rows, "label"), scores.column(rows, "predicted")
  local areas, problems = rl.metrics.one_vs_rest(scores.column(rows, "p"), labels), problems_of(rows, classes)
  m.auc_macro, m.auc_micro, m.accuracy = areas.macro, areas.micro, rl.metrics.accuracy(predicted, labels)
  m.accuracy_interval = interval(rl.metrics.bootstrap_mean(hits(rows)))
  m.auc_macro_interval = interval(rl.metrics.bootstrap_counts(#rows, function(times)
    return macro(problems, times)
  end))
  out.confusion = rl.metrics.confusion(predicted, labels, #classes)
  local per_class = rl.metrics.precision_recall(out.confusion)
  for _, key in ipairs { "precision", "recall", "f1" } do
    m[key] = {}
    for k, name in ipairs(classes) do m[key][name] = per_class[key][k] or nil end
  end
  curves(out, problems, areas, classes)
end

-- Mean, median, deviation and interval of a score per image; nil when no image has one.
local function spread(values)
  local s = rl.metrics.summary(values)
  if s.n == 0 then return nil end
  return { mean = s.mean, median = s.median, std = s.std, n = s.n,
    interval = interval(rl.metrics.bootstrap_mean(values)) }
end

---The figures of gathered rows.
---@param rows table[] of scores.gather
---@param classes string[]
---@return table metrics, roc, confusion, n
function figures.of(rows, classes)
  local out = { n = #rows, metrics = {} }
  if rows[1] and rows[1].p then classification(out, rows, classes) end
  for _, name in ipairs(MAPS) do out.metrics[name] = spread(scores.column(rows, name)) end
  return out
end

local function paired(a, b)
  local d = rl.metrics.bootstrap_difference(a, b)
  return d.value and { mean = d.value, interval = interval(d), n = d.n } or nil
end

-- AUC and accuracy of the other answer, and ours minus theirs on the same images.
local function beside_classes(out, m, ours, other, name, classes)
  local a, b = scores.labelled(ours), scores.labelled(other)
  local labels = scores.column(b, "label")
  m.auc_macro = rl.metrics.one_vs_rest(scores.column(b, "p"), labels).macro
  m.accuracy = rl.metrics.accuracy(scores.column(b, "predicted"), labels)
  local pa, pb = problems_of(a, classes), problems_of(b, classes)
  local d = rl.metrics.bootstrap_counts(#a, function(times)
    local x, y = macro(pa, times), macro(pb, times)
    return x and y and x - y
  end)
  if d.value then
    out.differences["auc_macro vs " .. name] = { mean = d.value, interval = interval(d), n = #a }
  end
  out.differences["accuracy vs " .. name] = paired(hits(a), hits(b))
end

---Put a trivial answer beside the figures, with paired differences.
---@param out table of figures.of; gets trivial and differences
---@param rows table[]
---@param name string of the answer
---@param other table[] its rows, of the same images in the same order
---@param classes string[]
function figures.beside(out, rows, name, other, classes)
  out.trivial, out.differences = out.trivial or {}, out.differences or {}
  local m = {}
  if other[1].p and rows[1].p and #scores.labelled(rows) > 0 then
    beside_classes(out, m, rows, other, name, classes)
  end
  for _, key in ipairs(MAPS) do
    local theirs = scores.column(other, key)
    m[key] = spread(theirs)
    if m[key] then out.differences[key .. " vs " .. name] = paired(scores.column(rows, key), theirs) end
  end
  if next(m) then out.trivial[name] = m end
end

return figures
