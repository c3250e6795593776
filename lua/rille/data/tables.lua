-- Tables of foreign data sets: columns found by name whatever their case and signs, read line by line, since
-- raw gaze fills hundreds of megabytes.

local tables = {}

---A column's name without case, spaces and signs: "Time (in secs)" -> "timeinsecs".
---@param name string
---@return string
function tables.plain(name) return (name:lower():gsub("[^%w]", "")) end

-- Positions of the wanted columns. wanted: { key = { "NAME", "OTHER", ..., optional = true? } }
local function find(who, shown, names, wanted)
  local at, by_name = {}, {}
  for i, name in ipairs(names) do by_name[tables.plain(name)] = by_name[tables.plain(name)] or i end
  for key, spellings in pairs(wanted) do
    for _, name in ipairs(spellings) do at[key] = at[key] or by_name[tables.plain(name)] end
    if not at[key] and not spellings.optional then
      local list = table.concat(names, ", ")
      if #list > 300 then list = list:sub(1, 300) .. " ..." end
      error(('%s: "%s": column "%s" is missing; the file has: %s'):format(who, shown, spellings[1], list), 0)
    end
  end
  return at
end

local function fields(line) -- with quotes; doubled ones stand for one
  local out, i = {}, 1
  while i <= #line + 1 do
    if line:sub(i, i) == '"' then
      local stop = i
      repeat stop = line:find('"', stop + 1, true) or #line + 1
        local doubled = line:sub(stop + 1, stop + 1) == '"'
        if doubled then stop = stop + 1 end
      until not doubled
      out[#out + 1] = line:sub(i + 1, stop - 1):gsub('""', '"')
      i = (line:find(",", stop, true) or #line + 1) + 1
    else
      local stop = line:find(",", i, true) or #line + 1
      out[#out + 1] = line:sub(i, stop - 1)
      i = stop + 1
    end
  end
  return out
end

-- A pattern that captures the wanted fields of a line without quotes, and which capture is which.
local function pattern(at)
  local keys, last = {}, 0
  for key, i in pairs(at) do keys[i], last = key, math.max(last, i) end
  local parts, capture, n = { "^" }, {}, 0
  for i = 1, last do
    parts[#parts + 1] = keys[i] and "([^,\r]*)" or "[^,]*"
    if i < last then parts[#parts + 1] = "," end
    if keys[i] then
      n = n + 1
      capture[keys[i]] = n
    end
  end
  return table.concat(parts), capture, last, keys[last]
end

---Read some columns of a table, row by row.
---
---Raises: when a column that is not optional is missing, or a row is too short (with its line).
---@param who string opens the messages
---@param path string
---@param wanted table<string, string[]> key -> spellings; optional = true: may be missing
---@param each fun(row: string[], at: table<string, integer>) row[at.key] is a text; row is not kept
---@return table<string, boolean> has which columns are there
function tables.each(who, path, wanted, each)
  local shown = path:match "[^/]*$"
  local f <close> = io.open(path, "rb") or error(('%s: "%s" cannot be opened'):format(who, path), 0)
  local first = f:read "l" or error(('%s: "%s" is empty; download it again'):format(who, shown), 0)
  local at = find(who, shown, fields((first:gsub("^\xEF\xBB\xBF", ""):gsub("\r$", ""))), wanted)
  local match, capture, last, final = pattern(at)
  local number = 1
  for line in f:lines() do
    number = number + 1
    local row, where
    if last > 100 or line:find('"', 1, true) then -- a pattern has its limits
      row, where = fields((line:gsub("\r$", ""))), at
    else
      row, where = { line:match(match) }, capture
    end
    if row[where[final]] then
      each(row, where)
    elseif line:find "%S" then
      error(('%s: "%s":%d: the row ends before its %d-th field; download the file again'):format(who, shown,
        number, last), 0)
    end
  end
  local has = {}
  for key in pairs(at) do has[key] = true end
  return has
end

---Rows of a small table by key; quoted line breaks are understood.
---@param who string
---@param path string
---@param wanted table<string, string[]>
---@return table<string, string>[] rows
function tables.read(who, path, wanted)
  local rows, names = require "rille".io.read_csv(path)
  if not rows then error(("%s: %s"):format(who, names), 0) end
  local at = find(who, path:match "[^/]*$", names, wanted)
  for i, row in ipairs(rows) do
    local out = {}
    for key, k in pairs(at) do out[key] = row[names[k]] end
    rows[i] = out
  end
  return rows
end

return tables
