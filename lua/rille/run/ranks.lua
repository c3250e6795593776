-- Areas under ROC curves of images that count several times: sorted once, then linear per resampling.

local ranks = {}

---A two-class problem: its scores, who is positive, and the order of the scores.
---@param scores number[]
---@param is_positive boolean[]
---@return { scores: number[], is_positive: boolean[], order: integer[] }
function ranks.problem(scores, is_positive)
  local order = {}
  for i = 1, #scores do order[i] = i end
  table.sort(order, function(a, b)
    if scores[a] ~= scores[b] then return scores[a] < scores[b] end
    return a < b
  end)
  return { scores = scores, is_positive = is_positive, order = order }
end

---Area under the ROC curve with ties counted half.
---@param problem table
---@param times integer[] how often each image counts
---@return number? nil when one of the classes is absent
function ranks.area(problem, times)
  local scores, order, is_positive = problem.scores, problem.order, problem.is_positive
  local below, area, positives, i = 0, 0, 0, 1
  while i <= #order do
    local value, p, n = scores[order[i]], 0, 0
    while i <= #order and scores[order[i]] == value do
      local k = order[i]
      if is_positive[k] then p = p + times[k] else n = n + times[k] end
      i = i + 1
    end
    area = area + p * (below + n / 2)
    below, positives = below + n, positives + p
  end
  if positives == 0 or below == 0 then return nil end
  return area / (positives * below)
end

---Places drawn with replacement as a count per image.
---@param places integer[]
---@param n integer
---@return integer[]
function ranks.times(places, n)
  local times = {}
  for i = 1, n do times[i] = 0 end
  for _, i in ipairs(places) do times[i] = times[i] + 1 end
  return times
end

return ranks
