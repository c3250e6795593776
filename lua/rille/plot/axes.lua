-- The frame of a chart: title, legend, grid, ticks and labels, laid out from estimated text widths so that
-- nothing overlaps. The label of the y axis stands above it, upright.

local palette = require "rille.plot.palette"
local scale = require "rille.plot.scale"
local svg = require "rille.plot.svg"

local axes = {}

local SMALL = 11

---Put the title on top, in at most two lines.
---@param parts string[]
---@param title string?
---@param width number of the chart
---@return number y below the title
function axes.title(parts, title, width)
  local y = 0
  for _, line in ipairs(svg.wrap(title or "", width - 8, 13.5, 2)) do
    y = y + 17
    parts[#parts + 1] = svg.text(4, y - 3, line, "title")
  end
  return y
end

local function sample(x, y, entry)
  local dash = entry.dash ~= "" and ' stroke-dasharray="' .. entry.dash .. '"' or ""
  return string.format('<path class="line %s"%s d="M%s %sh22"/>', entry.class, dash, svg.px(x), svg.px(y - 4))
end

local function put_legend(parts, o, y)
  local x, row = 4, y
  for i, entry in ipairs(o.legend or {}) do
    local name = svg.fit(entry.name, o.width - 40, SMALL)
    local wide = 28 + svg.width(name, SMALL)
    if i == 1 or x + wide > o.width then
      x, row = 4, row + 16
    end
    parts[#parts + 1] = sample(x, row - 2, entry)
    parts[#parts + 1] = svg.text(x + 27, row - 2, name, "small")
    x = x + wide + 14
  end
  return row
end

local function put_y_axis(parts, y, left, right)
  local grid = {}
  for _, tick in ipairs(y.ticks) do
    svg.put(grid, "M%s %sH%s", left, tick.at, right)
    parts[#parts + 1] = svg.text(left - 6, tick.at + 4, tick.text, "muted end")
  end
  parts[#parts + 1] = '<path class="grid" d="' .. table.concat(grid) .. '"/>'
end

local function put_x_axis(parts, x, top, bottom)
  local d = {}
  svg.put(d, "M%s %sH%s", x.from, bottom, x.to)
  for _, tick in ipairs(x.ticks) do
    svg.put(d, "M%s %sv4", tick.at, bottom)
    parts[#parts + 1] = svg.text(tick.at, bottom + 16, tick.text, "muted mid")
  end
  parts[#parts + 1] = '<path class="axis" d="' .. table.concat(d) .. '"/>'
  for _, rule in ipairs(x.rules) do
    local at = x.at(rule.at)
    local text = rule.text or ""
    local is_right = at + 6 + svg.width(text, SMALL) > x.to
    svg.put(parts, '<path class="rule" d="M%s %sV%s"/>', at, top - 12, bottom)
    local class = is_right and "muted end" or "muted"
    parts[#parts + 1] = svg.text(at + (is_right and -4 or 4), top - 3, text, class)
  end
end

local function gutter(ticks)
  local most = 0
  for _, tick in ipairs(ticks) do most = math.max(most, svg.width(tick.text, SMALL)) end
  return most
end

---Draw a frame and give the scales to draw in it.
---@param o { width: number, height: number, title: string?, xlabel: string?, ylabel: string?,
---  legend: table[]?, x: table, y: table, rules: { at: number, text: string }[]?, zero: boolean? }
---  x, y: lo, hi, log, integer
---@return { parts: string[], x: table, y: table, left: number, right: number, top: number, bottom: number }
function axes.frame(o)
  local parts = {}
  local head = put_legend(parts, o, axes.title(parts, o.title, o.width))
  if o.ylabel and o.ylabel ~= "" then
    head = head + 15
    parts[#parts + 1] = svg.text(4, head - 2, svg.fit(o.ylabel, o.width - 8, SMALL), "muted")
  end
  local top, bottom = head + (o.rules and 20 or 10), o.height - (o.xlabel and 38 or 24)
  local y = scale.make { lo = o.y.lo, hi = o.y.hi, log = o.y.log, from = bottom, to = top,
    count = math.max(2, (bottom - top) // 34) }
  local left, right = 12 + gutter(y.ticks), o.width - 12
  local x_opts = { lo = o.x.lo, hi = o.x.hi, log = o.x.log, integer = o.x.integer, from = left, to = right }
  local x = scale.fitting(x_opts, SMALL)
  local last = x.ticks[#x.ticks]
  if last and last.at + svg.width(last.text, SMALL) / 2 > o.width then
    right = o.width - svg.width(last.text, SMALL) / 2
    x_opts.to = right
    x = scale.fitting(x_opts, SMALL)
  end
  x.from, x.to, x.rules = left, right, o.rules or {}
  put_y_axis(parts, y, left, right)
  put_x_axis(parts, x, top, bottom)
  if o.xlabel then parts[#parts + 1] = svg.text((left + right) / 2, o.height - 6, o.xlabel, "muted mid") end
  if o.zero and y.lo < 0 and y.hi > 0 then
    svg.put(parts, '<path class="axis" d="M%s %sH%s"/>', left, y.at(0), right)
  end
  return { parts = parts, x = x, y = y, left = left, right = right, top = top, bottom = bottom }
end

---A coloured bar that explains the cells of a heat map, with the lowest, middle and highest value.
---@param parts string[]
---@param o { x: number, y: number, kind: string, lo: number, hi: number, label: string? } kind: "d" or "q"
function axes.colour_bar(parts, o)
  local cell = 6
  for k = 1, palette.LEVELS do
    svg.put(parts, '<rect class="%s%s cells" x="%s" y="%s" width="%s" height="9"/>', o.kind, k,
      o.x + (k - 1) * cell, o.y, cell)
  end
  local wide = palette.LEVELS * cell
  for i, v in ipairs { o.lo, (o.lo + o.hi) / 2, o.hi } do
    local class = i == 1 and "muted" or i == 2 and "muted mid" or "muted end"
    parts[#parts + 1] = svg.text(o.x + wide * (i - 1) / 2, o.y + 21, scale.text(v), class)
  end
  if o.label then parts[#parts + 1] = svg.text(o.x + wide + 10, o.y + 9, o.label, "muted") end
end

return axes
