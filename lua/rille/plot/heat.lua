-- Heat maps: named rows over an axis, one coloured cell per value. Cells of one level share one path element,
-- and equal neighbours are one rectangle, so that even 200 rows of 240 columns stay small.

local axes = require "rille.plot.axes"
local palette = require "rille.plot.palette"
local scale = require "rille.plot.scale"
local svg = require "rille.plot.svg"

local KNOWN = { "values", "rows", "xlim", "title", "xlabel", "label", "width", "lo", "hi", "diverging" }
local SMALL, MOST_NAME = 11, 180

-- d[level]: the outline of all cells of that level, in units of cells.
local function outlines(values, columns, lo, hi)
  local d = {}
  for r, row in ipairs(values) do
    local start, level
    for c = 1, columns + 1 do
      local v = row[c]
      local now = math.type(v) and v == v and palette.level(v, lo, hi) or nil
      if now ~= level then
        if level then
          d[level] = d[level] or {}
          table.insert(d[level], string.format("M%d %dh%dv1h%dz", start - 1, r - 1, c - start, start - c))
        end
        start, level = c, now
      end
    end
  end
  return d
end

local function put_names(parts, rows, left, top, cell)
  local next_free = -math.huge
  for r, name in ipairs(rows) do
    local y = top + (r - 0.5) * cell
    if y >= next_free then
      svg.put(parts, '<text x="%s" y="%s" class="muted end"><title>%s</title>%s</text>', left - 6, y + 4,
        svg.escape(name), svg.escape(svg.fit(name, MOST_NAME, SMALL, true)))
      next_free = y + 12.5
    end
  end
end

local function put_steps(parts, o, x, bottom)
  for _, tick in ipairs(x.ticks) do
    svg.put(parts, '<path class="axis" d="M%s %sv4"/>', tick.at, bottom)
    parts[#parts + 1] = svg.text(tick.at, bottom + 16, tick.text, "muted mid")
  end
  if o.xlabel then
    parts[#parts + 1] = svg.text((x.at(x.lo) + x.at(x.hi)) / 2, bottom + 31, o.xlabel, "muted mid")
  end
end

local function gutter(rows)
  local most = 0
  for _, name in ipairs(rows) do
    most = math.max(most, svg.width(svg.fit(name, MOST_NAME, SMALL, true), SMALL))
  end
  return most + 12
end

---Draw a heat map.
---
---Raises: "plot.heat: ..." when values and rows differ in number, or there are none.
---@param opts { values: number[][], rows: string[], xlim: number[]?, title: string?, xlabel: string?,
---  label: string?, width: number?, lo: number?, hi: number?, diverging: boolean? } values[r][c], NaN or
---  nil where nothing was measured; xlim: what the outer edges of the first and last column stand for;
---  lo, hi: ends of the colours, default -1 and 1 if diverging (default), else 0 and 1
---@return string svg
local function heat(opts)
  svg.options("plot.heat", opts, KNOWN)
  local values, rows = opts.values or {}, opts.rows or {}
  if #values == 0 or #values ~= #rows then
    local text = "plot.heat: %d rows of values and %d names; give as many of each, at least one"
    error(text:format(#values, #rows), 2)
  end
  local columns = 1
  for _, row in ipairs(values) do columns = math.max(columns, #row) end
  local kind = opts.diverging == false and "q" or "d"
  local lo, hi = opts.lo or (kind == "d" and -1 or 0), opts.hi or 1
  local width, left = opts.width or 720, gutter(rows)
  local cell = math.max(3, math.min(18, 640 / #rows))
  local parts = {}
  local top = axes.title(parts, opts.title, width) + 4
  axes.colour_bar(parts, { x = left, y = top + 4, kind = kind, lo = lo, hi = hi, label = opts.label })
  top = top + 34
  local bottom = top + #rows * cell
  local stretch = string.format("scale(%.5g %.5g)", (width - left - 14) / columns, cell)
  svg.put(parts, '<g class="cells" transform="translate(%s %s) %s">', left, top, stretch)
  local outline = outlines(values, columns, lo, hi)
  for level = 1, palette.LEVELS do
    local d = table.concat(outline[level] or {})
    if d ~= "" then svg.put(parts, '<path class="%s%s" d="%s"/>', kind, level, d) end
  end
  parts[#parts + 1] = "</g>"
  put_names(parts, rows, left, top, cell)
  local lim = opts.xlim or { 0, columns }
  local x = scale.fitting({ lo = lim[1], hi = math.max(lim[2], lim[1] + 1e-9), from = left, to = width - 14,
    integer = true }, SMALL)
  put_steps(parts, opts, x, bottom)
  return svg.document(width, bottom + (opts.xlabel and 38 or 22), opts.title or "heat map", parts)
end

return heat
