-- Areas under the ROC curve, by mid-ranks: P(score of a positive > score of a negative) + half of the ties.
-- Never average them over batches: gather the scores first.

local ranks = require "rille.metrics.ranks"
local values = require "rille.metrics.values"

local auc = {}

local function area(scores, positive)
  local fault = values.not_numbers(scores)
  if fault then return nil, fault end
  return ranks.area(ranks.problem(scores, positive))
end

---Area under the ROC curve of two classes.
---Raises: "metrics.auc: ..." for labels that are not true, false, 1 or 0, and for lists of different length.
---@param scores number[]|rille.Tensor larger: more likely positive
---@param labels any[]|rille.Tensor
---@return number? auc, string? reason nil where one class is missing or a score is no number
function auc.auc(scores, labels) return area(values.two_classes("metrics.auc", scores, labels)) end

---The ROC curve: one point per distinct score, descending, from (0, 0) to (1, 1).
---@param scores number[]|rille.Tensor
---@param labels any[]|rille.Tensor
---@return { fpr: number[], tpr: number[], threshold: number[] }? curve, string? reason
function auc.roc(scores, labels)
  local s, positive = values.two_classes("metrics.roc", scores, labels)
  local fault, P = values.not_numbers(s), 0
  for _, is in ipairs(positive) do P = P + (is and 1 or 0) end
  local N = #s - P
  if fault or P == 0 or N == 0 then
    return nil, fault or (P == 0 and "there is no positive" or "there is no negative")
  end
  local tp, fp, at = 0, 0, 1
  local curve = { fpr = { 0 }, tpr = { 0 }, threshold = { math.huge } }
  for score, p, n in ranks.groups(ranks.problem(s, positive)) do
    tp, fp, at = tp + p, fp + n, at + 1
    curve.fpr[at], curve.tpr[at], curve.threshold[at] = fp / N, tp / P, score
  end
  return curve
end

-- Scores and labels of class k against the rest, and how many cases the class has.
local function against_rest(rows, labels, k)
  local scores, positive, count = {}, {}, 0
  for i, row in ipairs(rows) do
    scores[i], positive[i] = row[k], labels[i] == k
    if positive[i] then count = count + 1 end
  end
  return scores, positive, count
end

---Areas of each class against the rest; over the classes where they are defined their plain mean (macro) and
---that weighted by the classes' counts; and that of the flattened one-hot matrix (micro), for which rows
---should be comparable, as probabilities are.
---@param scores number[][]|rille.Tensor N x K
---@param labels integer[]|rille.Tensor N, 1 .. K
---@return { per_class: (number|false)[], macro: number?, weighted: number?, micro: number?,
---  undefined: integer }
function auc.one_vs_rest(scores, labels)
  local who = "metrics.one_vs_rest"
  local rows = values.rows(who, scores)
  local K = rows[1] and #rows[1] or 0
  local classes = values.labels(who, labels, K)
  values.same_length(who, rows, classes)
  local out = { per_class = {}, undefined = 0 }
  local all, is_one, sum, weighted, weight = {}, {}, 0, 0, 0
  for k = 1, K do
    local s, positive, count = against_rest(rows, classes, k)
    local a = area(s, positive)
    out.per_class[k] = a or false
    sum, out.undefined = sum + (a or 0), out.undefined + (a and 0 or 1)
    if a then weighted, weight = weighted + count * a, weight + count end
    table.move(s, 1, #s, #all + 1, all)
    table.move(positive, 1, #positive, #is_one + 1, is_one)
  end
  if out.undefined < K then out.macro, out.weighted = sum / (K - out.undefined), weighted / weight end
  out.micro = area(all, is_one)
  return out
end

return auc
