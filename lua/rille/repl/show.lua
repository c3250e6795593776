-- How values look at the prompt and in print: tensors as aligned columns, long ones with their middle left
-- out.
local core = require "rille.core"

local show = {}

local WHOLE = 1000 -- elements up to which all are shown
local EDGE = 3     -- of each dim otherwise

-- Positions of one dim that are shown; nil stands for the gap.
local function positions(n, is_whole)
  local out = {}
  if is_whole or n <= 2 * EDGE then
    for i = 1, n do out[i] = i end
    return out, nil
  end
  for i = 1, EDGE do out[i] = i end
  for i = 1, EDGE do out[EDGE + i] = n - EDGE + i end
  return out, EDGE
end

local function corner(x, dim, sizes, is_whole)
  if dim > #sizes then return x:item() end
  local out = {}
  for k, i in ipairs((positions(sizes[dim], is_whole))) do out[k] = corner(x[i], dim + 1, sizes, is_whole) end
  return out
end

local function values_of(x, sizes, is_whole)
  if is_whole then return x:tolist() end
  return corner(x, 1, sizes, false)
end

local function flat(v, out)
  if type(v) ~= "table" then
    out[#out + 1] = v
  else
    for _, e in ipairs(v) do flat(e, out) end
  end
  return out
end

---A way to write all of these numbers alike.
---@param list any[] numbers or booleans
---@return fun(v: any): string
local function writer(list)
  local largest, least, is_whole = 0, math.huge, true
  for _, v in ipairs(list) do
    if math.type(v) == "float" and v == v and math.abs(v) ~= math.huge then
      local size = math.abs(v)
      largest = math.max(largest, size)
      if size > 0 then least = math.min(least, size) end
      if v ~= math.floor(v) then is_whole = false end
    end
  end
  local form = "%.4f"
  if is_whole and largest < 1e8 then
    form = "%.0f"
  elseif largest >= 1e5 or largest < 1e-2 or largest / least > 1e6 and least < 1e-4 then
    form = "%.4e"
  end
  return function(v)
    if math.type(v) ~= "float" then return tostring(v) end
    if v ~= v then return "nan" end
    if math.abs(v) == math.huge then return v > 0 and "inf" or "-inf" end
    return form:format(v)
  end
end

local function row_text(row, text, width, gap)
  local out = {}
  for k, v in ipairs(row) do
    if gap and k == gap + 1 then out[#out + 1] = " ..." end
    local s = text(v)
    out[#out + 1] = (" "):rep(width - #s + 1) .. s
  end
  return table.concat(out, " ")
end

local function matrix(lines, rows, text, width, sizes, is_whole)
  local _, gap = positions(sizes[#sizes - 1], is_whole)
  local _, column_gap = positions(sizes[#sizes], is_whole)
  for k, row in ipairs(rows) do
    if gap and k == gap + 1 then lines[#lines + 1] = " ..." end
    lines[#lines + 1] = row_text(row, text, width, column_gap)
  end
end

-- One matrix per place of the leading dims, headed by that place as it would be typed.
local function blocks(lines, values, dim, place, o)
  if dim > #o.sizes - 2 then
    lines[#lines + 1] = ("[%s, .., ..]"):format(table.concat(place, ", "))
    return matrix(lines, values, o.text, o.width, o.sizes, o.is_whole)
  end
  for k, i in ipairs((positions(o.sizes[dim], o.is_whole))) do
    place[dim] = i
    blocks(lines, values[k], dim + 1, place, o)
    place[dim] = nil
  end
end

---The line below the values: shape, dtype, and what made the tensor.
---@param x rille.Tensor
---@return string
function show.head(x)
  local out = { #x.shape == 0 and "scalar" or table.concat(x.shape, "x"), " ", x.dtype }
  if x.grad_fn then
    out[#out + 1] = ", made by " .. x.grad_fn
    if x.path and x.path ~= "" then out[#out + 1] = " in " .. x.path end
  elseif x.requires_grad then
    out[#out + 1] = ", requires_grad"
  end
  return "[" .. table.concat(out) .. "]"
end

local function body(x)
  local sizes, n = x.shape, x:numel()
  if n == 0 then return {} end
  local is_whole = n <= WHOLE
  local was = core.grad_enable(false)
  local ok, values = pcall(values_of, x:detach(), sizes, is_whole)
  core.grad_enable(was)
  if not ok then return { " (" .. tostring(values) .. ")" } end
  local list = flat(values, {})
  local text, width = writer(list), 0
  for _, v in ipairs(list) do width = math.max(width, #text(v)) end
  local lines = {}
  if #sizes == 0 then return { " " .. text(values) } end
  if #sizes == 1 then
    local _, gap = positions(sizes[1], is_whole)
    if is_whole and n > 12 then -- wrapped, as many as fit
      local columns = math.max(1, 100 // (width + 2))
      for i = 1, n, columns do
        lines[#lines + 1] = row_text({ table.unpack(list, i, math.min(n, i + columns - 1)) }, text, width)
      end
      return lines
    end
    return { row_text(values, text, width, gap) }
  end
  if #sizes == 2 then
    matrix(lines, values, text, width, sizes, is_whole)
  else
    blocks(lines, values, 1, {}, { sizes = sizes, text = text, width = width, is_whole = is_whole })
  end
  return lines
end

---A tensor as text. Up to 1000 elements are all shown; of more, the ends of each dim.
---@param x rille.Tensor
---@return string
function show.tensor(x)
  local ok, is_there = pcall(function() return x.shape ~= nil end)
  if not (ok and is_there) then return "[tensor, released]" end
  local lines = body(x)
  lines[#lines + 1] = show.head(x)
  return table.concat(lines, "\n")
end

local function key_text(k)
  return type(k) == "string" and k:match("^[%a_][%w_]*$") and k or "[" .. show.value(k, 1) .. "]"
end

local function table_text(t, depth)
  local keys, out = {}, {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    if type(a) ~= type(b) then return math.type(a) ~= nil end
    return tostring(a) < tostring(b)
  end)
  for i, k in ipairs(keys) do
    if i > 20 then
      out[#out + 1] = ("... %d more"):format(#keys - 20)
      break
    end
    local v = show.value(t[k], depth + 1)
    out[#out + 1] = k == i and v or key_text(k) .. " = " .. v
  end
  return "{ " .. table.concat(out, ", ") .. " }"
end

---Any value as the prompt prints it. Inside tables, tensors and long tables are told by their heads.
---@param v any
---@param depth? integer 0 by default
---@return string
function show.value(v, depth)
  depth = depth or 0
  if core.is_tensor(v) then return depth == 0 and show.tensor(v) or show.head(v) end
  if type(v) == "string" and depth > 0 then return ("%q"):format(v) end
  if type(v) == "function" then return (tostring(v):gsub("builtin: ", "")) end
  if type(v) ~= "table" then return tostring(v) end
  local meta = getmetatable(v)
  if type(meta) == "table" and meta.__tostring then return tostring(v) end
  if next(v) == nil then return "{}" end
  return depth < 3 and table_text(v, depth) or "{ ... }"
end

return show
