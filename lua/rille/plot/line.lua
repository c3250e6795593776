-- Curves: several series over one x axis, either axis linear or logarithmic.

local axes = require "rille.plot.axes"
local palette = require "rille.plot.palette"
local scale = require "rille.plot.scale"
local svg = require "rille.plot.svg"
local thin = require "rille.plot.thin"

local KNOWN = { "series", "title", "xlabel", "ylabel", "width", "height", "xlog", "ylog",
  "xlim", "ylim", "integer", "markers", "rules", "zero" }
local MOST_MARKERS = 80

-- A copy of anything that has a length and positions from 1; what is no number becomes a gap.
local function numbers(list)
  local out = {}
  for i = 1, #list do
    local v = list[i]
    out[i] = math.type(v) and v + 0.0 or 0 / 0
  end
  return out
end

local function take_series(list)
  if type(list) ~= "table" then error("plot.line: series is missing; give { { y = { ... } } }", 3) end
  local out = {}
  for k, s in ipairs(list) do
    if not s.y then error("plot.line: series " .. k .. " has no y; give { x = { ... }, y = { ... } }", 3) end
    local y, x = numbers(s.y), numbers(s.x or {})
    if not s.x then
      for i = 1, #y do x[i] = i end
    end
    if #x ~= #y then
      error(string.format("plot.line: series %d has %d x and %d y; give as many of each", k, #x, #y), 3)
    end
    local colour = s.colour or k
    out[k] = { x = x, y = y, name = s.name, faint = s.faint, class = palette.series(colour),
      dash = s.faint and "" or palette.dash(colour) }
  end
  return out
end

local function limits(series, key, lim, opts)
  if lim then return { lo = lim[1], hi = lim[2], log = opts.log, integer = opts.integer } end
  local lists = {}
  for k, s in ipairs(series) do lists[k] = s[key] end
  local lo, hi = scale.range(lists, opts.log)
  lo, hi = scale.widen(lo, hi, opts)
  return { lo = lo, hi = hi, log = opts.log, integer = opts.integer }
end

local function path(frame, s)
  local x, y = frame.x, frame.y
  local function is_drawable(a, b) return (not x.log or a > 0) and (not y.log or b > 0) end
  local d, pen = {}, "M"
  for _, i in ipairs(thin.pick(s.x, s.y, function(v) return x.at(v) // 1 end, is_drawable)) do
    if i then
      d[#d + 1] = pen .. svg.px(x.at(s.x[i])) .. " " .. svg.px(y.at(s.y[i]))
      pen = " "
    else
      pen = "M"
    end
  end
  return table.concat(d)
end

-- Few points get a dot each, with the value as a tooltip.
local function put_dots(out, frame, s, xlabel)
  for i = 1, #s.x do
    local a, b = s.x[i], s.y[i]
    if thin.is_drawable(a) and thin.is_drawable(b) and (not frame.y.log or b > 0) then
      local tip = string.format("%s, %s %s: %.4g", s.name or "value", xlabel or "x", scale.text(a), b)
      svg.put(out, '<circle class="dot %s" cx="%s" cy="%s" r="2.6"><title>%s</title></circle>', s.class,
        frame.x.at(a), frame.y.at(b), svg.escape(tip))
    end
  end
end

local function put_series(out, frame, s, o)
  local d = path(frame, s)
  if d ~= "" then
    local dash = s.dash ~= "" and ' stroke-dasharray="' .. s.dash .. '"' or ""
    local faint = s.faint and " faint" or ""
    out[#out + 1] = string.format('<path class="line %s%s"%s d="%s"/>', s.class, faint, dash, d)
  end
  local is_short = #s.x <= MOST_MARKERS and not s.faint
  if o.markers and is_short or #s.x == 1 then put_dots(out, frame, s, o.xlabel) end
end

-- What lies outside given limits is cut off by a nested svg; ids would clash where many charts share a page.
local function put_data(frame, out)
  local x, y = frame.left - 4, frame.top - 4
  local w, h = frame.right - frame.left + 8, frame.bottom - frame.top + 8
  local parts = frame.parts
  svg.put(parts, '<svg x="%s" y="%s" width="%s" height="%s" viewBox="%s %s %s %s">', x, y, w, h, x, y, w, h)
  parts[#parts + 1] = table.concat(out)
  parts[#parts + 1] = "</svg>"
end

---Draw curves.
---
---Long series are thinned to the lowest and highest value per pixel column; values that are not finite, and
---those not above 0 on a logarithmic axis, interrupt the line.
---Raises: "plot.line: ..." when a series has no y, lengths differ, or an option is unknown.
---@param opts { series: { name: string?, x: number[]?, y: number[], faint: boolean?, colour: integer? }[],
---  title: string?, xlabel: string?, ylabel: string?, width: number?, height: number?, xlog: boolean?,
---  ylog: boolean?, xlim: number[]?, ylim: number[]?, integer: boolean?, markers: boolean?,
---  rules: { at: number, text: string }[]?, zero: boolean? } x defaults to 1, 2, ...; faint: thin, not in the
---  legend; colour: position in the palette; integer: whole numbers on x; rules: dashed upright lines
---@return string svg
local function line(opts)
  svg.options("plot.line", opts, KNOWN)
  local series, legend = take_series(opts.series), {}
  for _, s in ipairs(series) do
    if s.name and not s.faint then legend[#legend + 1] = s end
  end
  local width = opts.width or 460
  local height = (opts.height or 260) + 16 * math.max(0, #legend - 3) // 3
  local frame = axes.frame {
    width = width, height = height, title = opts.title,
    xlabel = opts.xlabel, ylabel = opts.ylabel, legend = legend,
    x = limits(series, "x", opts.xlim, { log = opts.xlog, integer = opts.integer }),
    y = limits(series, "y", opts.ylim, { log = opts.ylog, pad = 0.05 }),
    rules = opts.rules, zero = opts.zero,
  }
  local out = {}
  for _, s in ipairs(series) do put_series(out, frame, s, opts) end
  put_data(frame, out)
  return svg.document(width, height, opts.title or "curves", frame.parts)
end

return line
