-- Two-class problems whose cases count once, or several times as in a bootstrap: sorted once, then every
-- figure is one linear pass.

local ranks = {}

---@class rille.metrics.Problem
---@field scores number[]
---@field is_positive boolean[]
---@field order integer[] places by rising score

---@param scores number[] none of them NaN
---@param is_positive boolean[]
---@return rille.metrics.Problem
function ranks.problem(scores, is_positive)
  local order = {}
  for i = 1, #scores do order[i] = i end
  table.sort(order, function(a, b)
    if scores[a] ~= scores[b] then return scores[a] < scores[b] end
    return a < b
  end)
  return { scores = scores, is_positive = is_positive, order = order }
end

---Groups of equal scores, in falling order: how many positives and negatives each holds.
---@param problem rille.metrics.Problem
---@param times? integer[] how often each case counts; once without
---@return fun(): number?, integer?, integer? score, positives, negatives
function ranks.groups(problem, times)
  local scores, order, is_positive = problem.scores, problem.order, problem.is_positive
  local at = #order
  return function()
    if at < 1 then return nil end
    local value, p, n = scores[order[at]], 0, 0
    while at >= 1 and scores[order[at]] == value do
      local k = order[at]
      local count = times and times[k] or 1
      if is_positive[k] then p = p + count else n = n + count end
      at = at - 1
    end
    return value, p, n
  end
end

---Area under the ROC curve: P(positive > negative) + half of the ties.
---@param problem rille.metrics.Problem
---@param times? integer[]
---@return number? area, string? reason nil when one of the classes is absent
function ranks.area(problem, times)
  local above, area, negatives = 0, 0, 0
  for _, p, n in ranks.groups(problem, times) do
    area = area + n * (above + p / 2)
    above, negatives = above + p, negatives + n
  end
  if above == 0 then return nil, "there is no positive" end
  if negatives == 0 then return nil, "there is no negative" end
  return area / (above * negatives)
end

---Average precision: the sum over distinct scores, falling, of (gain in recall) * (precision so far).
---@param problem rille.metrics.Problem
---@param times? integer[]
---@return number? average, string? reason nil without positives
function ranks.average_precision(problem, times)
  local tp, said, sum = 0, 0, 0
  for _, p, n in ranks.groups(problem, times) do
    tp, said = tp + p, said + p + n
    if p > 0 then sum = sum + p * (tp / said) end
  end
  if tp == 0 then return nil, "there is no positive" end
  return sum / tp
end

return ranks
