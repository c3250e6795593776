-- Whether two versions of a recipe's function are the same code: their source without comments and blanks,
-- and the same of the local functions and values they use.

local function source_of(f, texts)
  local info = debug.getinfo(f, "S")
  if info.what == "C" then return tostring(f) end
  local lines = texts[info.source]
  if not lines then return info.source .. ":" .. info.linedefined end
  local out = {}
  for i = info.linedefined, info.lastlinedefined do
    out[#out + 1] = (lines[i] or ""):gsub("%-%-[^\n]*$", "")
  end
  return (table.concat(out, " "):gsub("%s+", " "))
end

local function lines_of(text)
  local out = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do out[#out + 1] = line end
  return out
end

local describe

local function describe_table(v, texts, seen, depth)
  for _, loaded in pairs(package.loaded) do
    if loaded == v then return "module" end
  end
  if getmetatable(v) or depth > 6 then return "table" end
  local keys, out = {}, {}
  for k in pairs(v) do
    if type(k) == "string" or type(k) == "number" then keys[#keys + 1] = k end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do out[#out + 1] = tostring(k) .. "=" .. describe(v[k], texts, seen, depth + 1) end
  return "{" .. table.concat(out, ",") .. "}"
end

local function describe_function(f, texts, seen, depth)
  local out, i = { source_of(f, texts) }, 1
  while depth < 12 and debug.getinfo(f, "S").what ~= "C" do
    local name, v = debug.getupvalue(f, i)
    if not name then break end
    if name ~= "_ENV" and v ~= texts.whole then
      out[#out + 1] = name .. "=" .. describe(v, texts, seen, depth + 1)
    end
    i = i + 1
  end
  return table.concat(out, ";")
end

describe = function(v, texts, seen, depth)
  if type(v) == "number" or type(v) == "string" or type(v) == "boolean" then return ("%q"):format(v) end
  if type(v) ~= "table" and type(v) ~= "function" then return type(v) end
  if seen[v] then return "again" end
  seen[v] = true
  local text = type(v) == "function" and describe_function(v, texts, seen, depth)
    or describe_table(v, texts, seen, depth)
  seen[v] = nil
  return text
end

---A text that is equal for equal code and values.
---@param v any
---@param r { text: string, file: string, table: table } the recipe that v belongs to
---@return string
local function fingerprint(v, r)
  r.lines = r.lines or lines_of(r.text)
  return describe(v, { ["@" .. r.file] = r.lines, whole = r.table }, {}, 0)
end

return fingerprint
