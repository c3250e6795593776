-- Figures over images with percentile intervals: images are drawn again with replacement, the same draws for
-- all methods that are compared. Everything is per image; nothing here touches pixels.

local bootstrap = {}

local DRAWS = 1000

---A small generator of its own (xorshift64*), so that intervals never depend on who drew before.
---@param seed integer
---@return fun(n: integer): integer uniform in 1..n
local function generator(seed)
  local s = seed * 0x9E3779B97F4A7C15 | 1
  return function(n)
    s = s ~ (s >> 12)
    s = s ~ (s << 25)
    s = s ~ (s >> 27)
    return ((s * 0x2545F4914F6CDD1D) >> 33) % n + 1
  end
end

---How often each of n images is drawn, for each resampling.
---@param n integer
---@param seed? integer
---@return fun(): integer[]? iterator over DRAWS lists
function bootstrap.draws(n, seed)
  local random, left = generator(seed or 1), DRAWS
  return function()
    if left == 0 then return nil end
    left = left - 1
    local times = {}
    for i = 1, n do times[i] = 0 end
    for _ = 1, n do
      local i = random(n)
      times[i] = times[i] + 1
    end
    return times
  end
end

---The middle 95 % of a list.
---@param list number[] sorted in place
---@return number[]? { lo, hi } nil when the list is empty
function bootstrap.interval(list)
  if #list == 0 then return nil end
  table.sort(list)
  local function at(p)
    local x = 1 + p * (#list - 1)
    local i = math.floor(x)
    return list[i] + (x - i) * ((list[i + 1] or list[i]) - list[i])
  end
  return { at(0.025), at(0.975) }
end

---Images in the order of a score, for auc.
---@param scores number[]
---@return integer[]
function bootstrap.order(scores)
  local order = {}
  for i = 1, #scores do order[i] = i end
  table.sort(order, function(a, b)
    if scores[a] ~= scores[b] then return scores[a] < scores[b] end
    return a < b
  end)
  return order
end

---Area under the ROC curve with ties counted half.
---@param scores number[]
---@param is_positive boolean[]
---@param order integer[] of bootstrap.order
---@param times? integer[] how often each image counts
---@return number? nil when one of the classes is absent
function bootstrap.auc(scores, is_positive, order, times)
  local below, area, positives, i = 0, 0, 0, 1
  while i <= #order do
    local value, p, n = scores[order[i]], 0, 0
    while i <= #order and scores[order[i]] == value do
      local k = order[i]
      local t = times and times[k] or 1
      if is_positive[k] then p = p + t else n = n + t end
      i = i + 1
    end
    area = area + p * (below + n / 2)
    below, positives = below + n, positives + p
  end
  if positives == 0 or below == 0 then return nil end
  return area / (positives * below)
end

---Points of the ROC curve, at most about `most` of them.
---@return { fpr: number[], tpr: number[] }
function bootstrap.roc(scores, is_positive, order, most)
  local positives, negatives = 0, 0
  for _, yes in ipairs(is_positive) do
    if yes then positives = positives + 1 else negatives = negatives + 1 end
  end
  local fpr, tpr, p, n, i = { 0 }, { 0 }, 0, 0, #order
  while i >= 1 do
    local value = scores[order[i]]
    while i >= 1 and scores[order[i]] == value do
      if is_positive[order[i]] then p = p + 1 else n = n + 1 end
      i = i - 1
    end
    fpr[#fpr + 1], tpr[#tpr + 1] = n / math.max(1, negatives), p / math.max(1, positives)
  end
  local stride = math.max(1, #fpr // most)
  local out = { fpr = {}, tpr = {} }
  for k = 1, #fpr do
    if k % stride == 1 or stride == 1 or k == #fpr then
      out.fpr[#out.fpr + 1], out.tpr[#out.tpr + 1] = fpr[k], tpr[k]
    end
  end
  return out
end

---Mean of values, each counted `times[i]` times; images without a value are passed over.
---@param values number[] may have holes
---@param n integer
---@param times? integer[]
---@return number?
function bootstrap.mean(values, n, times)
  local sum, count = 0, 0
  for i = 1, n do
    local t, v = times and times[i] or 1, values[i]
    if v and t > 0 then sum, count = sum + t * v, count + t end
  end
  return count > 0 and sum / count or nil
end

return bootstrap
