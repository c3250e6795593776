-- Splits by patient: no patient is in two of them, and each class is divided alike.
local random = require "rille.util.random"

local function shuffle(list, draw)
  for i = #list, 2, -1 do
    local j = draw(i)
    list[i], list[j] = list[j], list[i]
  end
end

-- Patients by the class that most of their images have (of equals, the first by name).
local function strata(items)
  local counts, sizes, out = {}, {}, {}
  for _, item in ipairs(items) do
    local of = counts[item.group] or {}
    counts[item.group], sizes[item.group] = of, (sizes[item.group] or 0) + 1
    of[item.label] = (of[item.label] or 0) + 1
  end
  for group, of in pairs(counts) do
    local best
    for label, n in pairs(of) do
      if not best or n > of[best] or n == of[best] and label < best then best = label end
    end
    out[best] = out[best] or {}
    table.insert(out[best], { group = group, n = sizes[group] })
  end
  return out
end

---Divide items by group: 20 % test, 10 % val, the rest train, class by class. The same items and seed give
---the same splits, whatever the items' order.
---@param items { group: string, label: string }[]
---@param seed integer
---@return table<string, string> split by group
return function(items, seed)
  local of, names, by_label = {}, {}, strata(items)
  for label in pairs(by_label) do names[#names + 1] = label end
  table.sort(names)
  local draw = random(seed)
  for _, label in ipairs(names) do
    local groups, all, before = by_label[label], 0, 0
    table.sort(groups, function(a, b) return a.group < b.group end)
    shuffle(groups, draw)
    for _, g in ipairs(groups) do all = all + g.n end
    for _, g in ipairs(groups) do
      local middle = (before + g.n / 2) / all
      of[g.group] = middle < 0.2 and "test" or middle < 0.3 and "val" or "train"
      before = before + g.n
    end
  end
  return of
end
