-- metrics.json: what a run reached on a split, with intervals, beside answers that need no learning.
local bootstrap = require "rille.run.bootstrap"
local scores = require "rille.run.scores"

local figures = {}

local MAPS = { "cc", "hs", "kl" }

local function confusion(rows, classes)
  local out = {}
  for k in ipairs(classes) do
    out[k] = {}
    for c in ipairs(classes) do out[k][c] = 0 end
  end
  for _, row in ipairs(rows) do out[row.label][row.predicted] = out[row.label][row.predicted] + 1 end
  return out
end

local function per_class(m, counts, classes)
  m.precision, m.recall, m.f1 = {}, {}, {}
  for k, name in ipairs(classes) do
    local hit, told, there = counts[k][k], 0, 0
    for c in ipairs(classes) do told, there = told + counts[c][k], there + counts[k][c] end
    local precision, recall = told > 0 and hit / told or 0, there > 0 and hit / there or nil
    m.precision[name], m.recall[name] = precision, recall
    if recall then
      m.f1[name] = precision + recall > 0 and 2 * precision * recall / (precision + recall) or 0
    end
  end
end

local function auc_micro(rows, classes)
  local s, yes = {}, {}
  for _, row in ipairs(rows) do
    for k in ipairs(classes) do s[#s + 1], yes[#yes + 1] = row.p[k], row.label == k end
  end
  return bootstrap.auc(s, yes, bootstrap.order(s))
end

local function classification(out, all, classes)
  local rows = scores.labelled(all)
  if #rows == 0 then return end
  local problems, m = scores.one_vs_rest(rows, classes), out.metrics
  m.accuracy, m.auc_macro, m.auc_micro = scores.accuracy(rows), scores.auc_macro(problems),
    auc_micro(rows, classes)
  out.confusion = confusion(rows, classes)
  per_class(m, out.confusion, classes)
  local list = { accuracy = {}, macro = {} }
  for k in ipairs(classes) do list[k] = {} end
  for times in bootstrap.draws(#rows) do
    table.insert(list.accuracy, scores.accuracy(rows, times))
    local sum, n = 0, 0
    for k, one in ipairs(problems) do
      local a = bootstrap.auc(one.scores, one.is_positive, one.order, times)
      if a then list[k][#list[k] + 1], sum, n = a, sum + a, n + 1 end
    end
    if n > 0 then table.insert(list.macro, sum / n) end
  end
  m.accuracy_interval, m.auc_macro_interval = bootstrap.interval(list.accuracy),
    bootstrap.interval(list.macro)
  m.auc, out.roc = {}, {}
  for k, name in ipairs(classes) do
    local one = problems[k]
    local area = bootstrap.auc(one.scores, one.is_positive, one.order)
    if area then
      m.auc[name] = area
      out.roc[name] = bootstrap.roc(one.scores, one.is_positive, one.order, 200)
      out.roc[name].auc, out.roc[name].interval = area, bootstrap.interval(list[k])
    end
  end
end

---Mean, median, standard deviation and interval of a score per image.
---@param values number[] may have holes
---@param n integer
---@return table?
function figures.spread(values, n)
  local list = {}
  for i = 1, n do
    local v = values[i]
    if v and v == v then list[#list + 1] = v end
  end
  if #list == 0 then return nil end
  local mean, means, square = bootstrap.mean(list, #list), {}, 0
  for times in bootstrap.draws(#list) do means[#means + 1] = bootstrap.mean(list, #list, times) end
  for _, v in ipairs(list) do square = square + (v - mean) ^ 2 end
  table.sort(list)
  local half = (#list + 1) // 2
  return { mean = mean, median = #list % 2 == 1 and list[half] or (list[half] + list[half + 1]) / 2,
    std = #list > 1 and (square / (#list - 1)) ^ 0.5 or 0, interval = bootstrap.interval(means), n = #list }
end

---The figures of gathered rows.
---@param rows table[] of scores.gather
---@param classes string[]
---@return table metrics, roc, confusion, n
function figures.of(rows, classes)
  local out = { n = #rows, metrics = {} }
  if rows[1] and rows[1].p then classification(out, rows, classes) end
  for _, name in ipairs(MAPS) do out.metrics[name] = figures.spread(scores.column(rows, name), #rows) end
  return out
end

-- Differences of the same images: ours minus the other's.
local function paired(ours, other, name)
  local values, n = {}, 0
  for i, row in ipairs(ours) do
    if row[name] and other[i][name] then
      n = n + 1
      values[n] = row[name] - other[i][name]
    end
  end
  if n == 0 then return nil end
  local list = {}
  for times in bootstrap.draws(n) do list[#list + 1] = bootstrap.mean(values, n, times) end
  return { mean = bootstrap.mean(values, n), interval = bootstrap.interval(list), n = n }
end

local function paired_classes(ours, other, classes)
  local a, b = scores.labelled(ours), scores.labelled(other)
  local pa, pb, auc, accuracy = scores.one_vs_rest(a, classes), scores.one_vs_rest(b, classes), {}, {}
  for times in bootstrap.draws(#a) do
    local x, y = scores.auc_macro(pa, times), scores.auc_macro(pb, times)
    if x and y then auc[#auc + 1] = x - y end
    accuracy[#accuracy + 1] = scores.accuracy(a, times) - scores.accuracy(b, times)
  end
  local x, y = scores.auc_macro(pa), scores.auc_macro(pb)
  return x and y and { mean = x - y, interval = bootstrap.interval(auc), n = #a } or nil,
    { mean = scores.accuracy(a) - scores.accuracy(b), interval = bootstrap.interval(accuracy), n = #a }
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
    local labelled = scores.labelled(other)
    m.auc_macro, m.accuracy = scores.auc_macro(scores.one_vs_rest(labelled, classes)),
      scores.accuracy(labelled)
    out.differences["auc_macro vs " .. name],
      out.differences["accuracy vs " .. name] = paired_classes(rows, other, classes)
  end
  for _, key in ipairs(MAPS) do
    local spread = other[1][key] and figures.spread(scores.column(other, key), #other)
    if spread then
      m[key] = { mean = spread.mean, median = spread.median, std = spread.std, interval = spread.interval }
      out.differences[key .. " vs " .. name] = paired(rows, other, key)
    end
  end
  if next(m) then out.trivial[name] = m end
end

return figures
