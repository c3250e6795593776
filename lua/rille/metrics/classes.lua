-- Counts of classes: accuracy, confusion matrix, precision, recall, F1.

local check = require "rille.util.check"
local values = require "rille.metrics.values"

local classes = {}

---The class of the largest score per row; of equal ones the first.
---@param scores number[][]|rille.Tensor N x K
---@return integer[] predicted
function classes.predicted(scores)
  local out = {}
  for i, row in ipairs(values.rows("metrics.predicted", scores)) do
    local best = 1
    for k = 2, #row do
      if row[k] > row[best] then best = k end
    end
    out[i] = best
  end
  return out
end

---Share of equal entries.
---@param predicted integer[]|rille.Tensor
---@param labels integer[]|rille.Tensor
---@return number? accuracy, string? reason
function classes.accuracy(predicted, labels)
  local p, y = values.flat("metrics.accuracy", predicted), values.flat("metrics.accuracy", labels)
  values.same_length("metrics.accuracy", p, y)
  if #y == 0 then return nil, "there is nothing to count" end
  local hits = 0
  for i = 1, #y do hits = hits + (p[i] == y[i] and 1 or 0) end
  return hits / #y
end

---Share of cases whose label is among the k largest scores. Of equal scores the earlier class is the larger.
---@param scores number[][]|rille.Tensor N x K
---@param labels integer[]|rille.Tensor N, 1 .. K
---@param k integer
---@return number? accuracy, string? reason
function classes.top_k_accuracy(scores, labels, k)
  local who = "metrics.top_k_accuracy"
  local rows = values.rows(who, scores)
  local K = rows[1] and #rows[1] or 0
  local y, hits = values.labels(who, labels, K), 0
  values.same_length(who, rows, y)
  check.integer(who, "k", k, 1)
  if #y == 0 then return nil, "there is nothing to count" end
  for i, row in ipairs(rows) do
    local before, own = 0, row[y[i]]
    for c, s in ipairs(row) do
      if s > own or s == own and c < y[i] then before = before + 1 end
    end
    hits = hits + (before < k and 1 or 0)
  end
  return hits / #y
end

---counts[truth][prediction].
---@param predicted integer[]|rille.Tensor
---@param labels integer[]|rille.Tensor
---@param K integer number of classes
---@return integer[][] counts
function classes.confusion(predicted, labels, K)
  local who = "metrics.confusion"
  local p, y = values.labels(who, predicted, K), values.labels(who, labels, K)
  values.same_length(who, p, y)
  local counts = {}
  for t = 1, K do
    counts[t] = {}
    for c = 1, K do counts[t][c] = 0 end
  end
  for i = 1, #y do counts[y[i]][p[i]] = counts[y[i]][p[i]] + 1 end
  return counts
end

-- Plain mean, and the mean weighted by how often each class occurs, over the classes that occur.
local function means(list, support)
  local sum, n, weighted, weight = 0, 0, 0, 0
  for k, v in ipairs(list) do
    if support[k] > 0 then
      sum, n = sum + v, n + 1
      weighted, weight = weighted + support[k] * v, weight + support[k]
    end
  end
  if n == 0 then return nil end
  return sum / n, weighted / weight
end

---Per class, and as means over the classes that occur: plain (macro), weighted by how often they occur
---(weighted), and of the counts pooled over classes (micro; with one label per case all three are the
---accuracy). Precision of a class that was never predicted is 0; recall and F1 of a class without samples are
---undefined (false). F1 = 2 P R/(P + R) = 2 tp/(2 tp + fp + fn); macro F1 is the mean of F1s. Macro recall is
---the balanced accuracy.
---@param counts integer[][] of confusion
---@return { precision: number[], recall: (number|false)[], f1: (number|false)[], support: integer[],
---  macro: table, weighted: table, micro: table, balanced_accuracy: number? }
function classes.precision_recall(counts)
  local out = { precision = {}, recall = {}, f1 = {}, support = {}, macro = {}, weighted = {}, micro = {} }
  local hits, all = 0, 0
  for k = 1, #counts do
    local tp, truth, said = counts[k][k], 0, 0
    for j = 1, #counts do truth, said = truth + counts[k][j], said + counts[j][k] end
    out.precision[k] = said > 0 and tp / said or 0
    out.recall[k] = truth > 0 and tp / truth
    out.f1[k] = truth > 0 and 2 * tp / (truth + said)
    out.support[k], hits, all = truth, hits + tp, all + truth
  end
  for _, key in ipairs { "precision", "recall", "f1" } do
    out.macro[key], out.weighted[key] = means(out[key], out.support)
    if all > 0 then out.micro[key] = hits / all end
  end
  out.balanced_accuracy = out.macro.recall
  return out
end

return classes
