-- Several labels per image, from a column of the manifest whose cells join them with "|", as ChestX-ray14
-- gives its findings: "Cardiomegaly|Effusion".
local check = require "rille.util.check"
local core = require "rille.core"

local Labels = {}
Labels.__index = Labels

local DEFAULTS = { column = check.none, names = check.none, unknown = "?" }

local function words(cell)
  local out = {}
  for word in (cell or ""):gmatch "[^|]+" do out[#out + 1] = word:match "^%s*(.-)%s*$" end
  return out
end

-- The labels of the train rows, sorted.
local function found(set, column)
  local names, seen = {}, {}
  for i = 1, set.n do
    local row = set:row(i)
    for _, word in ipairs((row.split or "train") == "train" and words(row[column]) or {}) do
      if not seen[word] then seen[word], names[#names + 1] = true, word end
    end
  end
  table.sort(names)
  return names
end

---The labels of a set's rows.
---
---A cell that is empty, or the word `unknown`, says nothing about any label; "LABEL?" leaves that label of a
---row open. Labels that are not in `names` are passed over.
---
---Raises: "data: labels: ..." for a column that is not there, or without a single label.
---@param set rille.Set
---@param opts { column: string, names: string[]?, unknown: string } a text is the column; names: default the
---  sorted labels of train; unknown: default "?"
---@return table labels names, and rows: a list of numbers per row, 1, 0, or -1 where nothing is known
function Labels.new(set, opts)
  local o = check.options("data: labels", type(opts) == "string" and { column = opts } or opts, DEFAULTS)
  local is_there = false
  for _, name in ipairs(set.columns) do is_there = is_there or name == o.column end
  if not is_there then check.unknown("data: labels", "column", tostring(o.column), set.columns, 3) end
  local names = o.names or found(set, o.column)
  if #names == 0 then
    error(('data: labels: the column "%s" holds no label in any row of train'):format(o.column), 3)
  end
  local self = setmetatable({ column = o.column, names = names, rows = {} }, Labels)
  for i = 1, set.n do self.rows[i] = self:row_of(words(set:row(i)[o.column]), o.unknown) end
  return self
end

-- Numbers of a row's words.
function Labels:row_of(list, unknown)
  local row, has = {}, {}
  for _, word in ipairs(list) do has[word] = true end
  local nothing = #list == 0 or has[unknown]
  for k, name in ipairs(self.names) do
    row[k] = (nothing or has[name .. "?"]) and -1 or has[name] and 1 or 0
  end
  return row
end

---Give a batch its labels: f32 N x names, 1, 0, or -1 where nothing is known.
---@param batch table with index
function Labels:put(batch)
  local list = {}
  for i, row in ipairs(batch.index:tolist()) do list[i] = self.rows[row] end
  batch.labels = core.tensor(list)
end

---How many rows of a split have each label.
---@param set rille.Set
---@param split string
---@return integer[]
function Labels:count(set, split)
  local out = {}
  for k = 1, #self.names do out[k] = 0 end
  for i = 1, set.n do
    if set:row(i).split == split then
      for k, v in ipairs(self.rows[i]) do out[k] = out[k] + (v == 1 and 1 or 0) end
    end
  end
  return out
end

return Labels
