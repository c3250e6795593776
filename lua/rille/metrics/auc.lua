-- Areas under the ROC curve, by mid-ranks: P(score of a positive > score of a negative) + half of the ties.

local values = require "rille.metrics.values"

local auc = {}

local function order_of(scores)
  local order = {}
  for i = 1, #scores do order[i] = i end
  table.sort(order, function(a, b)
    if scores[a] ~= scores[b] then return scores[a] < scores[b] end
    return a < b
  end)
  return order
end

local function check_numbers(scores)
  for i, s in ipairs(scores) do
    if s ~= s then return ("score %d is not a number"):format(i) end
  end
end

-- sum of the positives' mid-ranks, how many they are
local function rank_sum(scores, positive)
  local order, sum, count, i, n = order_of(scores), 0, 0, 1, #scores
  while i <= n do
    local j = i
    while j < n and scores[order[j + 1]] == scores[order[i]] do j = j + 1 end
    local rank = (i + j) / 2
    for at = i, j do
      if positive[order[at]] then sum, count = sum + rank, count + 1 end
    end
    i = j + 1
  end
  return sum, count
end

local function area(scores, positive)
  local fault = check_numbers(scores)
  if fault then return nil, fault end
  local sum, P = rank_sum(scores, positive)
  local N = #scores - P
  if P == 0 then return nil, "there is no positive" end
  if N == 0 then return nil, "there is no negative" end
  return (sum - P * (P + 1) / 2) / (P * N)
end

---Area under the ROC curve of two classes.
---Raises: "metrics.auc: ..." for labels that are not true, false, 1 or 0, and for lists of different length.
---@param scores number[]|rille.Tensor larger: more likely positive
---@param labels any[]|rille.Tensor
---@return number? auc, string? reason nil where one class is missing or a score is no number
function auc.auc(scores, labels)
  local s, positive = values.flat("metrics.auc", scores), values.positives("metrics.auc", labels)
  values.same_length("metrics.auc", s, positive)
  return area(s, positive)
end

---The ROC curve: one point per distinct score, descending, from (0, 0) to (1, 1).
---@param scores number[]|rille.Tensor
---@param labels any[]|rille.Tensor
---@return { fpr: number[], tpr: number[], threshold: number[] }? curve, string? reason
function auc.roc(scores, labels)
  local s, positive = values.flat("metrics.roc", scores), values.positives("metrics.roc", labels)
  values.same_length("metrics.roc", s, positive)
  local fault, P = check_numbers(s), 0
  for _, is in ipairs(positive) do P = P + (is and 1 or 0) end
  local N = #s - P
  if fault or P == 0 or N == 0 then
    return nil, fault or (P == 0 and "there is no positive" or "there is no negative")
  end
  local order, tp, fp = order_of(s), 0, 0
  local curve = { fpr = { 0 }, tpr = { 0 }, threshold = { math.huge } }
  for at = #order, 1, -1 do
    local i = order[at]
    if positive[i] then tp = tp + 1 else fp = fp + 1 end
    if at == 1 or s[order[at - 1]] ~= s[i] then
      local n = #curve.fpr + 1
      curve.fpr[n], curve.tpr[n], curve.threshold[n] = fp / N, tp / P, s[i]
    end
  end
  return curve
end

-- Scores and labels of class k against the rest.
local function against_rest(rows, labels, k)
  local scores, positive = {}, {}
  for i, row in ipairs(rows) do scores[i], positive[i] = row[k], labels[i] == k end
  return scores, positive
end

---Areas of each class against the rest; their plain mean (macro) over the classes where they are defined; and
---that of the flattened one-hot matrix (micro), for which rows should be comparable, as probabilities are.
---@param scores number[][]|rille.Tensor N x K
---@param labels integer[]|rille.Tensor N, 1 .. K
---@return { per_class: (number|false)[], macro: number?, micro: number?, undefined: integer }
function auc.one_vs_rest(scores, labels)
  local who = "metrics.one_vs_rest"
  local rows = values.rows(who, scores)
  local K = rows[1] and #rows[1] or 0
  local classes = values.labels(who, labels, K)
  values.same_length(who, rows, classes)
  local out = { per_class = {}, undefined = 0 }
  local all, is_one, sum = {}, {}, 0
  for k = 1, K do
    local s, positive = against_rest(rows, classes, k)
    local a = area(s, positive)
    out.per_class[k] = a or false
    sum, out.undefined = sum + (a or 0), out.undefined + (a and 0 or 1)
    table.move(s, 1, #s, #all + 1, all)
    table.move(positive, 1, #positive, #is_one + 1, is_one)
  end
  if out.undefined < K then out.macro = sum / (K - out.undefined) end
  out.micro = area(all, is_one)
  return out
end

return auc
