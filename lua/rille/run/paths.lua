-- Options and stage fields by path: "gaze", "data.augment.rotate", "stages.joint.losses.kl"; and values as
-- typed.
local nearest = require "rille.util.check".nearest

local paths = {}

---Copies tables all the way down; functions and other values are shared.
---@param v any
---@return any
function paths.copy(v)
  if type(v) ~= "table" or getmetatable(v) then return v end
  local out = {}
  for k, e in pairs(v) do out[k] = paths.copy(e) end
  return out
end

---Lays `over` on `base`: tables with names merge, everything else replaces.
---@param base table changed
---@param over table
---@return table base
function paths.lay_over(base, over)
  for k, v in pairs(over) do
    if type(v) == "table" and type(base[k]) == "table" and type(k) == "string" and #v == 0
      and #base[k] == 0 then
      paths.lay_over(base[k], v)
    else
      base[k] = paths.copy(v)
    end
  end
  return base
end

---@param path string
---@return string[]
function paths.split(path)
  local out = {}
  for name in path:gmatch("[^.]+") do out[#out + 1] = name end
  return out
end

local function names_of(t)
  local out = {}
  for k in pairs(t) do out[#out + 1] = tostring(k) end
  table.sort(out)
  return out
end

---What is wrong with a name that is not there, and which one is near.
---@param name string
---@param known string[]
---@return string
function paths.missing(name, known)
  local near = nearest(name, known)
  local there = #known > 0 and "; there are " .. table.concat(known, ", ") or ""
  return ('there is no "%s"%s'):format(name, near and (', did you mean "%s"?'):format(near) or there)
end

---The same for a part of a path.
---@param path string
---@param name string
---@param known string[]
---@return string
function paths.unknown(path, name, known) return ('"%s": %s'):format(path, paths.missing(name, known)) end

-- "gradprom:main=ce,lambda=0.1" -> { "gradprom", main = "ce", lambda = 0.1 }
local function choice(text)
  local name, rest = text:match("^([%w_]+):(.*)$")
  if not name then return text end
  local out = { name }
  for key, value in rest:gmatch("([%w_]+)=([^,]*)") do out[key] = paths.value(value) end
  return out
end

---A typed value: a number, true, false, { 1, 2 }, a choice with options, or text.
---@param text string
---@return any
function paths.value(text)
  if tonumber(text) then return tonumber(text) end
  if text == "true" or text == "false" then return text == "true" end
  local list = text:match("^{(.*)}$")
  if list then
    local out = {}
    for item in list:gmatch("[^,]+") do out[#out + 1] = paths.value(item:match("^%s*(.-)%s*$")) end
    return out
  end
  return choice(text)
end

local TYPES = { number = "a number", boolean = "true or false", string = "text",
  table = "a list or a name with options" }

---A typed value for a place that holds `was`.
---
---Raises: a text when the types differ.
---@param path string
---@param text string
---@param was any
---@return any
function paths.typed(path, text, was)
  local v = paths.value(text)
  if was == nil or type(was) == "function" or type(v) == type(was) then return v end
  if type(was) == "string" then return type(v) == "table" and v or text end
  if type(was) == "table" and #was > 0 then -- a name with options, or a list of one
    if type(was[1]) == "string" and type(v) == "string" then return v end
    if type(was[1]) == type(v) then return { v } end
  end
  if type(was) == "table" and next(was) and type(v) == "number" and type(next(was)) == "string" then
    error(('"%s" has parts; set one of them: %s'):format(path, table.concat(names_of(was), ", ")), 0)
  end
  error(('"%s" is %s, not "%s"'):format(path, TYPES[type(was)] or type(was), text), 0)
end

---Put a value at a path of a tree whose names are known, apart from the leaves of `open` tables.
---
---Raises: a text with the nearest name when a name is not there.
---@param tree table
---@param names string[]
---@param value any a string is parsed when `is_text`
---@param o { path: string, is_text: boolean?, known: (fun(t: table, depth: integer): string[]?)? }
function paths.put(tree, names, value, o)
  local t = tree
  for i = 1, #names - 1 do
    if type(t[names[i]]) ~= "table" then
      if t[names[i]] ~= nil and o.wrap then
        t[names[i]] = o.wrap(t[names[i]])
      else
        error(paths.unknown(o.path, names[i], names_of(t)), 0)
      end
    end
    t = t[names[i]]
  end
  local last = math.tointeger(tonumber(names[#names])) or names[#names]
  if t[last] == nil and not (o.may_add and o.may_add(names, t)) then
    local known = o.known and o.known(names) or names_of(t)
    error(paths.unknown(o.path, tostring(last), known), 0)
  end
  if o.is_text then value = paths.typed(o.path, value, t[last]) end
  t[last] = value
end

return paths
