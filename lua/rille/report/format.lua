-- Numbers, times and sizes as a researcher reads them. Everything that is no number becomes a dash.

local scale = require "rille.plot.scale"

local format = {}

local DASH = "–"

---A number that can be shown.
---@param v any
---@return boolean
function format.is_number(v) return math.type(v) ~= nil and v == v end

local NOTHING = 1e-6 -- a metric below it is rounding

---A metric: three decimals below 10, otherwise three significant digits.
---@param v any
---@return string
function format.metric(v)
  if not format.is_number(v) then return DASH end
  local size = math.abs(v)
  if size == math.huge then return v > 0 and "∞" or "−∞" end
  if size >= NOTHING and size < 5e-4 then return (scale.text(v):gsub("^%-", "−")) end
  if size < NOTHING then v = 0 end
  return (string.format(size < 10 and "%.3f" or size < 100 and "%.2f" or "%.1f", v):gsub("^%-", "−"))
end

---An interval, as "0.871 to 0.944"; empty when there is none.
---@param pair any { lo, hi }
---@return string
function format.interval(pair)
  if type(pair) ~= "table" or not (format.is_number(pair[1]) and format.is_number(pair[2])) then return "" end
  return format.metric(pair[1]) .. " to " .. format.metric(pair[2])
end

---A count with its thousands apart: 20,013,928.
---@param v any
---@return string
function format.count(v)
  if not format.is_number(v) or math.abs(v) >= 1e15 then return DASH end
  local text = string.format("%.0f", v)
  local sign, digits = text:match("^(%-?)(%d+)$")
  local head = (#digits - 1) % 3 + 1
  return sign .. digits:sub(1, head) .. digits:sub(head + 1):gsub("%d%d%d", ",%0")
end

---A duration.
---@param v any seconds
---@return string
function format.seconds(v)
  if not format.is_number(v) or v == math.huge then return DASH end
  if v < 10 then return string.format("%.2g s", v) end
  if v < 120 then return string.format("%.0f s", v) end
  local s = math.floor(v + 0.5)
  if s < 7200 then return string.format("%d min %02d s", s // 60, s % 60) end
  return string.format("%d h %02d min", s // 3600, s % 3600 // 60)
end

---An amount of memory.
---@param v any MiB
---@return string
function format.mib(v)
  if not format.is_number(v) or v == math.huge then return DASH end
  if v >= 1024 then return string.format("%.1f GiB", v / 1024) end
  return string.format(v < 10 and "%.1f MiB" or "%.0f MiB", v)
end

---A share as per cent.
---@param v any 0 to 1
---@return string
function format.percent(v)
  if not format.is_number(v) then return DASH end
  return string.format("%.0f %%", 100 * v)
end

---Any value of the options: scalars plain, tables in Lua's notation with sorted names.
---@param v any
---@return string
function format.value(v)
  if math.type(v) == "float" then return (string.format("%.6g", v)) end
  if type(v) ~= "table" then return tostring(v) end
  local keys, out = {}, {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b)
    local p, q = math.type(a), math.type(b)
    if p and q then return a < b end
    return p ~= nil and not q or not p and not q and tostring(a) < tostring(b)
  end)
  for _, k in ipairs(keys) do
    out[#out + 1] = (math.type(k) and "" or tostring(k) .. " = ") .. format.value(v[k])
  end
  return "{ " .. table.concat(out, ", ") .. " }"
end

return format
