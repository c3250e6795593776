-- metrics.json: what a run reached on a split, with bootstrap intervals, beside answers that need no
-- learning.
local kinds = require "rille.run.kinds"
local ranks = require "rille.metrics.ranks"
local rl = require "rille"

local figures = {}

local POINTS = 200 -- of a ROC curve, at most about

local function interval(b) return b.low and { b.low, b.high } or nil end

local function labelled(rows) return kinds.having(rows, "label") end

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
  local rows, m = labelled(all), out.metrics
  if #rows == 0 then return end
  local labels, predicted = kinds.column(rows, "label"), kinds.column(rows, "predicted")
  local areas, problems = rl.metrics.one_vs_rest(kinds.column(rows, "p"), labels), problems_of(rows, classes)
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

-- Means of the areas and precisions of findings, over those that have at least `least` positives.
local function means(list, least, names)
  local auc, ap, left_out = {}, {}, {}
  for _, f in ipairs(list) do
    local is_in = names == nil
    for _, name in ipairs(names or {}) do is_in = is_in or name == f.name end
    if is_in and f.positives < least then
      left_out[#left_out + 1] = f.name
    elseif is_in then
      auc[#auc + 1], ap[#ap + 1] = f.auc or false, f.ap or false
    end
  end
  local s = rl.metrics.summary(auc)
  return { auc = s.mean, ap = rl.metrics.summary(ap).mean, n = s.n, left_out = left_out }
end

-- What the recipe asks of several findings together:
-- { "logits", least = 10, groups = { large = { names } } }.
local function together(out, spec)
  local o = type(spec) == "table" and spec or {}
  local all = means(out.findings, o.least or 0)
  out.metrics.auc_findings, out.metrics.ap_findings = all.auc, all.ap
  out.left_out, out.groups = #all.left_out > 0 and all.left_out or nil, nil
  for name, members in pairs(o.groups or {}) do
    out.groups = out.groups or {}
    out.groups[name] = means(out.findings, o.least or 0, members)
  end
end

-- Per finding: area and average precision with intervals, and how often it is there. An image whose label
-- for a finding is unknown does not count for it.
local function findings(out, rows, names, spec)
  local known, m = kinds.having(rows, "findings"), rl.metrics
  if #known == 0 then return end
  local q, truth = kinds.column(known, "q"), kinds.column(known, "findings")
  local all = m.multilabel(q, truth)
  out.findings = {}
  for k = 1, #q[1] do
    local s, yes = {}, {}
    for i, list in ipairs(truth) do
      if list[k] == 1 or list[k] == 0 then s[#s + 1], yes[#yes + 1] = q[i][k], list[k] == 1 end
    end
    local one = { name = names[k] or "finding " .. k, n = all.n[k], prevalence = all.prevalence[k] or nil,
      positives = math.floor(all.n[k] * (all.prevalence[k] or 0) + 0.5),
      auc = all.auc[k] or nil, ap = all.average_precision[k] or nil }
    if one.auc then
      one.auc_interval = interval(m.auc_interval(s, yes))
      one.ap_interval = interval(m.average_precision_interval(s, yes))
    end
    out.findings[k] = one
  end
  together(out, spec)
end

---The figures of gathered rows.
---@param rows table[] of scores.gather
---@param classes string[]
---@param names? string[] of findings
---@param spec? table how they are reported: { output, least = positives, groups = { NAME = findings } }
---@return table metrics, roc, confusion, findings, groups, left_out, n
function figures.of(rows, classes, names, spec)
  local out = { n = #rows, metrics = {} }
  if rows[1] and rows[1].p then classification(out, rows, classes) end
  if rows[1] and rows[1].q then findings(out, rows, names or {}, spec) end
  for _, name in ipairs(kinds.SCORES) do out.metrics[name] = spread(kinds.column(rows, name)) end
  return out
end

local function paired(a, b)
  local d = rl.metrics.bootstrap_difference(a, b)
  return d.value and { mean = d.value, interval = interval(d), n = d.n } or nil
end

-- AUC and accuracy of the other answer, and ours minus theirs on the same images.
local function beside_classes(out, m, ours, other, name, classes)
  local a, b = labelled(ours), labelled(other)
  local labels = kinds.column(b, "label")
  m.auc_macro = rl.metrics.one_vs_rest(kinds.column(b, "p"), labels).macro
  m.accuracy = rl.metrics.accuracy(kinds.column(b, "predicted"), labels)
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
  if other[1].p and rows[1].p and #labelled(rows) > 0 then
    beside_classes(out, m, rows, other, name, classes)
  end
  for _, key in ipairs(kinds.SCORES) do
    local theirs = kinds.column(other, key)
    m[key] = spread(theirs)
    if m[key] then out.differences[key .. " vs " .. name] = paired(kinds.column(rows, key), theirs) end
  end
  if next(m) then out.trivial[name] = m end
end

return figures
