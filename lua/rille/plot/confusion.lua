-- Confusion matrix: truth by row, answer by column; a cell is coloured by its share of the row, and shows
-- count and share.

local axes = require "rille.plot.axes"
local palette = require "rille.plot.palette"
local svg = require "rille.plot.svg"

local KNOWN = { "counts", "classes", "title", "width" }
local MOST_NAME, SMALL = 130, 11

local function row_sum(row, n)
  local sum = 0
  for c = 1, n do sum = sum + (math.type(row[c]) and row[c] or 0) end
  return sum
end

local function put_cell(parts, o)
  local share = o.sum > 0 and o.count / o.sum or 0
  local level = palette.level(share, 0, 1)
  local ink = share >= 0.75 and "on-deep" or share >= 0.5 and "on-mid" or "on-pale"
  svg.put(parts, '<rect class="q%s" x="%s" y="%s" width="%s" height="%s"/>', level, o.x, o.y, o.wide - 2,
    o.high - 2)
  local x, y = o.x + o.wide / 2 - 1, o.y + o.high / 2
  local is_roomy = o.high >= 36 and o.wide >= 40
  if o.wide >= 22 and o.high >= 14 then
    local at = is_roomy and y - 2 or y + 3
    parts[#parts + 1] = svg.text(x, at, string.format("%.0f", o.count), "mid " .. ink)
  end
  if is_roomy then
    parts[#parts + 1] = svg.text(x, y + 12, string.format("%.0f %%", 100 * share), "mid small " .. ink)
  end
end

local function put_header(parts, classes, left, y, wide)
  for c, name in ipairs(classes) do
    local x, short = left + (c - 0.5) * wide, svg.fit(name, wide - 4, SMALL)
    svg.put(parts, '<text x="%s" y="%s" class="muted mid"><title>%s</title>%s</text>', x, y, svg.escape(name),
      svg.escape(short))
  end
end

---Draw a confusion matrix.
---Raises: "plot.confusion: ..." when there are no counts.
---@param opts { counts: integer[][], classes: string[]?, title: string?, width: number? }
---  counts[truth][answer]
---@return string svg
local function confusion(opts)
  svg.options("plot.confusion", opts, KNOWN)
  local counts = opts.counts or {}
  local n = #counts
  if n == 0 then error("plot.confusion: no counts; give counts[truth][answer]", 2) end
  local classes, names = {}, 0
  for k = 1, n do
    classes[k] = tostring(opts.classes and opts.classes[k] or k)
    names = math.max(names, svg.width(svg.fit(classes[k], MOST_NAME, SMALL), SMALL))
  end
  local left, parts = names + 14, {}
  local width = opts.width or 400
  local wide = math.min(110, (width - left - 4) / n)
  local y = axes.title(parts, opts.title, width) + 2
  local high = math.max(15, math.min(54, wide * 0.6))
  parts[#parts + 1] = svg.text(4, y + 14, "truth by row, answer by column", "muted")
  put_header(parts, classes, left, y + 34, wide)
  local top = y + 42
  for r = 1, n do
    local sum = row_sum(counts[r], n)
    local name = svg.fit(classes[r], MOST_NAME, SMALL)
    parts[#parts + 1] = svg.text(left - 8, top + (r - 0.5) * high + 3, name, "muted end")
    for c = 1, n do
      local count = math.type(counts[r][c]) and counts[r][c] or 0
      put_cell(parts, { count = count, sum = sum, x = left + (c - 1) * wide, y = top + (r - 1) * high,
        wide = wide, high = high })
    end
  end
  return svg.document(width, top + n * high + 6, opts.title or "confusion matrix", parts)
end

return confusion
