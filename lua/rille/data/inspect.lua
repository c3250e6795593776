-- What may spoil a run, told before it: every file of a set is read once.

local function add(findings, kind, index, format, ...)
  findings[#findings + 1] = { kind = kind, index = index, message = format:format(...) }
end

-- Pictures with the same pixels: in one split a duplicate; worse across splits, or under two labels.
local function compare(findings, set, i, j)
  local a, b = set:row(i), set:row(j)
  local kind, text = "duplicate", "the same picture as"
  if (a.label or "") ~= (b.label or "") then
    kind, text = "two_labels", ('labelled "%s", but "%s" in the same picture'):format(b.label, a.label)
  elseif (a.split or "") ~= (b.split or "") then
    kind, text = "split_leak", ('in split "%s", but in "%s" is the same picture'):format(b.split, a.split)
  end
  add(findings, kind, j, "%s: %s %s", b.file, text, a.file)
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function odd_sizes(findings, set, sides)
  local all = {}
  for _, side in pairs(sides) do all[#all + 1] = side end
  local usual = median(all)
  for i = 1, set.n do
    if sides[i] and (sides[i] > 4 * usual or 4 * sides[i] < usual) then
      add(findings, "odd_size", i, "%s: its longer side has %d pixels, %d is usual", set:row(i).file,
        sides[i], usual)
    end
  end
end

local function missing_classes(findings, set)
  for _, split in ipairs { "train", "val", "test" } do
    local counts = set:class_counts(split)
    for k, name in ipairs(set:count(split) > 0 and set.classes or {}) do
      if counts[k] == 0 then add(findings, "missing_class", 0, 'split "%s" has no "%s"', split, name) end
    end
  end
end

---@param set rille.Set
---@return { kind: string, index: integer, message: string }[]
local function inspect(set)
  local findings, first, sides = {}, {}, {}
  for i = 1, set.n do
    local look, message = set.manifest:inspect(i)
    local file = set:row(i).file
    if look == nil then
      add(findings, "unreadable", i, "%s", message)
    else
      sides[i] = math.max(look.width, look.height)
      if look.constant then add(findings, "constant", i, "%s: all pixels are the same", file) end
      if look.mask_empty then add(findings, "empty_mask", i, "%s: its mask is empty", file) end
      if look.saliency_empty then add(findings, "empty_saliency", i, "%s: its saliency map is empty",
        file) end
      if first[look.hash] then compare(findings, set, first[look.hash], i) end
      first[look.hash] = first[look.hash] or i
    end
  end
  if next(sides) then odd_sizes(findings, set, sides) end
  missing_classes(findings, set)
  return findings
end

return inspect
