-- Counts of classes: accuracy, confusion matrix, precision, recall, F1.

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

local function mean_of_defined(list)
  local sum, n = 0, 0
  for _, v in ipairs(list) do
    if v then sum, n = sum + v, n + 1 end
  end
  return n > 0 and sum / n or nil
end

---Per class and as plain means over the classes that occur. Precision of a class that was never predicted is
---0; recall and F1 of a class without samples are undefined (false).
---@param counts integer[][] of confusion
---@return { precision: number[], recall: (number|false)[], f1: (number|false)[], macro: table }
function classes.precision_recall(counts)
  local out = { precision = {}, recall = {}, f1 = {} }
  for k = 1, #counts do
    local tp, truth, said = counts[k][k], 0, 0
    for j = 1, #counts do truth, said = truth + counts[k][j], said + counts[j][k] end
    local precision = said > 0 and tp / said or 0
    out.precision[k] = precision
    out.recall[k] = truth > 0 and tp / truth
    out.f1[k] = truth > 0 and 2 * tp / (truth + said)
  end
  local occurring = {}
  for k = 1, #counts do occurring[k] = out.recall[k] and out.precision[k] end
  out.macro = {
    precision = mean_of_defined(occurring), recall = mean_of_defined(out.recall),
      f1 = mean_of_defined(out.f1),
  }
  return out
end

return classes
