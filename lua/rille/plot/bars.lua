-- Bars lying down, one per name, with a whisker where an interval is known. Names stand left, values right.

local axes = require "rille.plot.axes"
local scale = require "rille.plot.scale"
local svg = require "rille.plot.svg"

local KNOWN = { "bars", "title", "width", "xlim", "digits" }
local ROW, MOST_NAME = 24, 170

local function figure(bar, digits) return bar.text or string.format("%." .. digits .. "g", bar.value) end

local function measure(bars, digits)
  local names, figures = 0, 0
  for k, bar in ipairs(bars) do
    if not math.type(bar.value) then error("plot.bars: bar " .. k .. " has no value; give a number", 3) end
    names = math.max(names, svg.width(svg.fit(bar.name or "", MOST_NAME)))
    figures = math.max(figures, svg.width(figure(bar, digits)))
  end
  return names + 12, figures + 12
end

local function range(bars)
  local lo, hi = 0, 0
  for _, bar in ipairs(bars) do
    local interval = bar.interval or {}
    lo = math.min(lo, bar.value, interval[1] or 0)
    hi = math.max(hi, bar.value, interval[2] or 0)
  end
  return lo, hi > lo and hi or lo + 1
end

local function put_bar(parts, bar, y, x, left, right, digits)
  local zero, at = x.at(math.max(x.lo, math.min(x.hi, 0))), x.at(bar.value)
  parts[#parts + 1] = svg.text(left - 8, y + 15, svg.fit(bar.name or "", MOST_NAME), "end")
  local colour = bar.is_main == false and 7 or 1
  svg.put(parts, '<rect class="bar s%s" x="%s" y="%s" width="%s" height="%s"/>', colour,
    math.min(zero, at), y + 4, math.abs(at - zero), ROW - 9)
  if bar.interval then
    local a, b, m = x.at(bar.interval[1]), x.at(bar.interval[2]), y + 4 + (ROW - 9) / 2
    svg.put(parts, '<path class="whisker" d="M%s %sH%sM%s %sv8M%s %sv8"/>', a, m, b, a, m - 4, b, m - 4)
  end
  parts[#parts + 1] = svg.text(right + 8, y + 15, figure(bar, digits))
end

---Draw bars.
---Raises: "plot.bars: ..." when a bar has no value.
---@param opts { bars: { name: string, value: number, text: string?, interval: number[]?,
---  is_main: boolean? }[], title: string?, width: number?, xlim: number[]?, digits: integer? }
---  text: shown for the value; is_main = false: grey, for what one compares with; digits: significant ones
---  where there is no text, default 3
---@return string svg
local function bars(opts)
  svg.options("plot.bars", opts, KNOWN)
  local list, digits, width = opts.bars or {}, opts.digits or 3, opts.width or 460
  local left, figures = measure(list, digits)
  local right = width - figures
  local lo, hi = range(list)
  if opts.xlim then lo, hi = opts.xlim[1], opts.xlim[2] end
  local parts = {}
  local y = axes.title(parts, opts.title, width) + 2
  local x = scale.fitting({ lo = lo, hi = hi, from = left, to = right }, 11)
  local bottom = y + 4 + #list * ROW
  for _, tick in ipairs(x.ticks) do
    svg.put(parts, '<path class="grid" d="M%s %sV%s"/>', tick.at, y + 4, bottom)
    parts[#parts + 1] = svg.text(tick.at, bottom + 15, tick.text, "muted mid")
  end
  for k, bar in ipairs(list) do put_bar(parts, bar, y + 4 + (k - 1) * ROW, x, left, right, digits) end
  return svg.document(width, bottom + 22, opts.title or "bars", parts)
end

return bars
