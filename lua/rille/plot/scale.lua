-- Scales: from values to pixels, with ticks at round values. Linear, integer or logarithmic.

local svg = require "rille.plot.svg"
local thin = require "rille.plot.thin"

local scale = {}

local function log10(v) return math.log(v, 10) end

---A short text for one value: plain from 0.001 to 99,999, otherwise like 3e-5 or 1.2M.
---@param v number
---@param decimals? integer fixed decimals for the plain form
---@return string
function scale.text(v, decimals)
  local size = math.abs(v)
  if size == 0 then return "0" end
  if size >= 1e15 or size < 9.9995e-4 then
    return (string.format("%.2e", v):gsub("%.?0*e", "e"):gsub("e([+-])0*", "e%1"):gsub("e%+", "e"))
  end
  local unit = ""
  if size >= 1e6 then
    v, unit, decimals = v / 1e6, "M", nil
  elseif size >= 1e4 then
    v, unit, decimals = v / 1e3, "k", nil
  end
  if decimals then return (string.format("%." .. decimals .. "f", v)) end
  return string.format("%.4g", v) .. unit
end

local function linear_ticks(lo, hi, count, integer)
  local raw = (hi - lo) / math.max(1, count)
  local base, step = 10 ^ math.floor(log10(raw)), nil
  for _, m in ipairs { 1, 2, 5, 10 } do
    step = base * m
    if step >= raw * 0.999999 then break end
  end
  if integer then step = math.max(1, step) end
  local decimals = math.max(0, -math.floor(log10(step) + 1e-9))
  local ticks = {}
  for k = math.ceil(lo / step - 1e-6), math.floor(hi / step + 1e-6) do
    local v = k * step
    ticks[#ticks + 1] = { value = v, text = scale.text(v, decimals <= 3 and decimals or nil) }
  end
  return ticks
end

local function marks(lo, hi, mantissas, stride)
  local ticks = {}
  for e = math.floor(log10(lo)), math.ceil(log10(hi)) do
    for _, m in ipairs(mantissas) do
      local v = m * 10.0 ^ e
      if e % stride == 0 and v >= lo * 0.999999 and v <= hi * 1.000001 then
        ticks[#ticks + 1] = { value = v, text = scale.text(v) }
      end
    end
  end
  return ticks
end

-- Decades when the range has several; otherwise 1, 2, 5; otherwise round values as on a linear scale.
local function log_ticks(lo, hi, count)
  local decades = log10(hi / lo)
  if decades >= 2 then return marks(lo, hi, { 1 }, math.ceil(decades / math.max(1, count))) end
  local ticks = marks(lo, hi, { 1, 2, 5 }, 1)
  if #ticks >= 2 then return ticks end
  return linear_ticks(lo, hi, count)
end

---Lowest and highest drawable value of several lists.
---@param lists number[][]
---@param positive? boolean look only at values above 0
---@return number? lo, number? hi nil when there is no such value
function scale.range(lists, positive)
  local lo, hi
  for _, list in ipairs(lists) do
    for i = 1, #list do
      local v = list[i]
      if thin.is_drawable(v) and (not positive or v > 0) then
        if not lo or v < lo then lo = v end
        if not hi or v > hi then hi = v end
      end
    end
  end
  return lo, hi
end

---Widen a range: a little air, and never a width of nothing.
---@param lo number?
---@param hi number?
---@param opts { log: boolean?, pad: number? } pad: share of the range on each side, default 0
---@return number lo, number hi
function scale.widen(lo, hi, opts)
  local pad = opts.pad or 0
  if not lo then return opts.log and 0.1 or 0, 1 end
  if opts.log then
    local factor = lo == hi and 2 or (hi / lo) ^ pad
    return math.max(lo / factor, 1e-307), math.min(hi * factor, 1e307)
  end
  local air = lo == hi and math.max(math.abs(lo) * 0.1, 1e-9) or (hi - lo) * pad
  return lo - air, hi + air
end

---Make a scale.
---@param o { lo: number, hi: number, from: number, to: number, log: boolean?, integer: boolean?,
---  count: integer } from, to: pixels
---@return { at: fun(v: number): number, ticks: { value: number, text: string, at: number }[], lo: number,
---  hi: number }
function scale.make(o)
  local lo, hi = o.lo, o.hi
  local made = { lo = lo, hi = hi, log = o.log }
  if o.log then
    local base, factor = math.log(lo), (o.to - o.from) / (math.log(hi) - math.log(lo))
    function made.at(v) return o.from + (math.log(v) - base) * factor end
    made.ticks = log_ticks(lo, hi, o.count)
  else
    local factor = (o.to - o.from) / (hi - lo)
    function made.at(v) return o.from + (v - lo) * factor end
    made.ticks = linear_ticks(lo, hi, o.count, o.integer)
  end
  for _, tick in ipairs(made.ticks) do tick.at = made.at(tick.value) end
  return made
end

---Make a horizontal scale with as many ticks as fit side by side.
---@param o table as for `make`, without count
---@param size number font size
---@return table scale as from `make`
function scale.fitting(o, size)
  for count = 8, 1, -1 do
    o.count = count
    local made, fits = scale.make(o), true
    for i = 2, #made.ticks do
      local a, b = made.ticks[i - 1], made.ticks[i]
      fits = fits and b.at - a.at >= (svg.width(a.text, size) + svg.width(b.text, size)) / 2 + 10
    end
    if fits then return made end
  end
  o.count = 1
  local made = scale.make(o)
  made.ticks = { made.ticks[1] }
  return made
end

return scale
