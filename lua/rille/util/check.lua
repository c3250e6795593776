-- Checks of arguments given in Lua: option tables whose unknown keys are errors that name the nearest valid
-- one, numbers and sizes with ranges. Messages start with `who`, the function the user called.

local check = {}

local function distance(a, b) -- Levenshtein's: insertions, deletions and changes of one letter
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local corner = row[0]
    row[0] = i
    for j = 1, #b do
      local above = row[j]
      local change = corner + (a:byte(i) == b:byte(j) and 0 or 1)
      row[j] = math.min(above + 1, row[j - 1] + 1, change)
      corner = above
    end
  end
  return row[#b]
end

local function is_array(t) return t[1] ~= nil end

---The name among `names` that is nearest to what was written, or nil if none is near.
---@param written string
---@param names string[]|table<string, any> a list, or a table whose keys are the names
---@return string? nearest
function check.nearest(written, names)
  local list = {}
  if is_array(names) then
    for i, name in ipairs(names) do list[i] = name end
  else
    for name in pairs(names) do list[#list + 1] = tostring(name) end
    table.sort(list)
  end
  local best, best_distance = nil, math.max(2, #written // 3) + 1
  for _, name in ipairs(list) do
    local d = distance(written:lower(), name:lower())
    if d < best_distance then best, best_distance = name, d end
  end
  return best
end

---Raise an error about an unknown name: `who: unknown WHAT "x"; did you mean "y"?`
function check.unknown(who, what, written, names, level)
  local near = check.nearest(tostring(written), names)
  local list = {}
  for key, value in pairs(names) do list[#list + 1] = tostring(is_array(names) and value or key) end
  table.sort(list)
  local cure = near and ('did you mean "%s"?'):format(near)
    or (#list == 0 and "there is none" or "there are: " .. table.concat(list, ", "))
  error(('%s: unknown %s "%s"; %s'):format(who, what, tostring(written), cure), (level or 1) + 1)
end

---Lay given options over the defaults. The default `check.none` marks an option without a default.
---Raises: for an unknown key (with the nearest valid one) and for anything but a table.
---@param who string
---@param given table? what the user wrote
---@param defaults table<string, any> every valid option
---@return table options a new table
function check.options(who, given, defaults)
  local options = {}
  for key, value in pairs(defaults) do
    if value ~= check.none then options[key] = value end
  end
  if given == nil then return options end
  if type(given) ~= "table" then
    error(("%s: options come in a table, { name = value }, not as %s"):format(who, tostring(given)), 3)
  end
  for key, value in pairs(given) do
    if defaults[key] == nil then check.unknown(who, "option", key, defaults, 3) end
    options[key] = value
  end
  return options
end

check.none = setmetatable({}, { __tostring = function() return "no default" end })

---@return number v
function check.number(who, name, v, lo, hi)
  if type(v) ~= "number" then error(("%s: %s is a number, not %s"):format(who, name, tostring(v)), 3) end
  if v ~= v or (lo and v < lo) or (hi and v > hi) then
    error(("%s: %s = %s; it lies in [%s, %s]"):format(who, name, v, lo or "-inf", hi or "inf"), 3)
  end
  return v
end

---@return integer v a float without a fraction will do
function check.integer(who, name, v, lo, hi)
  local i = math.tointeger(v)
  if not i or type(v) ~= "number" then
    error(("%s: %s is an integer, not %s"):format(who, name, tostring(v)), 3)
  end
  if (lo and i < lo) or (hi and i > hi) then
    error(("%s: %s = %d; it lies in [%s, %s]"):format(who, name, i, lo or "-inf", hi or "inf"), 3)
  end
  return i
end

---@return boolean v
function check.boolean(who, name, v)
  if type(v) ~= "boolean" then
    error(("%s: %s is true or false, not %s"):format(who, name, tostring(v)), 3)
  end
  return v
end

---@return string v one of the words
function check.word(who, name, v, words)
  for _, word in ipairs(words) do
    if v == word then return v end
  end
  error(("%s: %s = %s; it is one of: %s"):format(who, name, tostring(v), table.concat(words, ", ")), 3)
end

---What a word of a recipe's options stands for.
---
---Raises: 'NAME is "x"; it is one of a, b, c'.
---@param options table
---@param name string of the option
---@param words table<string, any> what each word stands for
---@return any
function check.one_of(options, name, words)
  local value = words[options[name]]
  if value ~= nil then return value end
  local list = {}
  for word in pairs(words) do list[#list + 1] = word end
  table.sort(list)
  error(('%s is "%s"; it is one of %s'):format(name, tostring(options[name]), table.concat(list, ", ")), 0)
end

---One integer for both image axes, or { height, width }.
---@return integer[] pair
function check.pair(who, name, v, lo)
  local a, b = v, v
  if type(v) == "table" then a, b = v[1], v[2] end
  local ok = math.tointeger(a) and math.tointeger(b) and (type(v) ~= "table" or #v == 2)
  if not ok then error(("%s: %s is an integer or { height, width }"):format(who, name), 3) end
  if lo and (a < lo or b < lo) then error(("%s: %s must be at least %d"):format(who, name, lo), 3) end
  return { math.tointeger(a), math.tointeger(b) }
end

---Sizes as in messages: { 2, 3, 8, 8 } or a tensor -> "2x3x8x8"; a scalar's are "scalar".
---@return string text
function check.shape_text(shape)
  if type(shape) ~= "table" then shape = shape.shape end
  return #shape == 0 and "scalar" or table.concat(shape, "x")
end

return check
