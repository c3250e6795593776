-- The nearest known word, for "did you mean".

-- Edit distance with insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
local function distance(a, b)
  local before, row = {}, {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local now = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      now[j] = math.min(row[j] + 1, now[j - 1] + 1, row[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        now[j] = math.min(now[j], before[j - 2] + 1)
      end
    end
    before, row = row, now
  end
  return row[#b]
end

---The word that is nearest to `word`.
---@param word string
---@param words string[]
---@return string? nil when none is near: more than a third of the letters differ
local function nearest(word, words)
  local best, least = nil, math.max(1, #word // 3) + 1
  for _, w in ipairs(words) do
    local d = distance(word:lower(), w:lower())
    if d < least then best, least = w, d end
  end
  return best
end

return nearest
