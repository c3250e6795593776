-- Which rows of train may use their labels: a share of each class, nested, so that a smaller share lies in a
-- larger one; the rest stands for images that nobody labelled.
local check = require "rille.util.check"
local random = require "rille.util.random"

local DEFAULTS = { share = check.none, column = check.none, seed = check.none }

local function shuffle(list, draw)
  for i = #list, 2, -1 do
    local j = draw(i)
    list[i], list[j] = list[j], list[i]
  end
end

-- The labelled rows of train by class, those that `column` marks with 1 first; and the rows without any
-- label.
local function strata(set, column, labels)
  local classes, names, bare = {}, {}, {}
  for i = 1, #set do
    local row = set:row(i)
    if row.split == "train" then
      if (row.label or "") == "" and (row.mask or "") == "" and (labels and row[labels] or "") == "" then
        bare[#bare + 1] = i
      else
        local name = row.label or ""
        if not classes[name] then
          classes[name] = { marked = {}, others = {} }
          names[#names + 1] = name
        end
        table.insert(column and row[column] ~= "1" and classes[name].others or classes[name].marked, i)
      end
    end
  end
  table.sort(names)
  return classes, names, bare
end

local function options_of(set, spec)
  local who = "data: labelled"
  local o = check.options(who, type(spec) == "number" and { share = spec } or spec, DEFAULTS)
  if o.share then check.number(who, "share", o.share, 1e-6, 1) end
  if o.column then
    local known = false
    for _, name in ipairs(set.columns) do known = known or name == o.column end
    if not known then check.unknown(who, "column", o.column, set.columns, 0) end
  elseif not o.share then
    error(who .. ": give a share, { share = 0.2 }, or a column of manifest.csv that says 1", 0)
  end
  return o
end

---Divide the rows of train into those whose labels (class, mask or both) may be used, and the others.
---
---Rows that `column` marks with 1 are taken before the others of their class; among equals the seed draws.
---Of a class of n rows the share takes round(share n), at least 1. Without a share: all that the column
---  marks.
---
---Raises: "data: labelled: ..." for a column that is not there, or a share outside (0, 1].
---@param set rille.Set
---@param spec number|{ share: number?, column: string?, seed: integer? } a number is the share
---@param seed integer where spec has none
---@param labels? string column whose cells are labels too, where it is not empty
---@return integer[] labelled, integer[] others both in the manifest's order
return function(set, spec, seed, labels)
  local o = options_of(set, spec)
  local classes, names, others = strata(set, o.column, labels)
  local draw, labelled = random(o.seed or seed), {}
  for _, name in ipairs(names) do
    local c = classes[name]
    shuffle(c.marked, draw)
    shuffle(c.others, draw)
    local n = #c.marked + #c.others
    local take = o.share and math.max(1, math.floor(o.share * n + 0.5)) or #c.marked
    table.move(c.others, 1, #c.others, #c.marked + 1, c.marked)
    for k, row in ipairs(c.marked) do table.insert(k <= take and labelled or others, row) end
  end
  if #labelled == 0 then error("data: labelled: no row of train is left with a label", 0) end
  table.sort(labelled)
  table.sort(others)
  return labelled, others
end
