-- Small pieces every chart is made of: escaping, short pixel numbers, the width of a text, option checks.
-- Text widths are estimates for a sans-serif face, a little on the large side, so that labels keep apart.

local check = require "rille.util.check"

local svg = {}

local ENTITY = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }
local NARROW, WIDE = "[ijl.,:;'|!%[%]()tfr/ ]", "[mwMW@%%]"

-- Bytes that are no UTF-8 become U+FFFD, one by one; what is well-formed around them stays.
local function repair(text)
  local out, at = {}, 1
  while at <= #text do
    local bad = select(2, utf8.len(text, at))
    out[#out + 1] = text:sub(at, (bad or #text + 1) - 1)
    if not bad then break end
    out[#out + 1] = "\u{FFFD}"
    at = bad + 1
  end
  return table.concat(out)
end

---Make any value safe as text or attribute value in HTML and SVG.
---
---Invalid UTF-8 becomes U+FFFD, control characters other than tab and line feed vanish.
---@param text any
---@return string
function svg.escape(text)
  text = tostring(text)
  if not utf8.len(text) then text = repair(text) end
  text = text:gsub("[%z\1-\8\11-\31\127]", "")
  return (text:gsub("[&<>\"']", ENTITY))
end

---A pixel position with at most one decimal.
---@param v number
---@return string
function svg.px(v)
  local text = string.format("%.1f", v):gsub("%.0$", "")
  return text == "-0" and "0" or text
end

---Estimate the width of a text.
---Units: pixels.
---@param text string
---@param size? number font size, default 12
---@return number
function svg.width(text, size)
  local em = 0
  for _, code in utf8.codes(repair(text)) do
    local c = code < 128 and utf8.char(code) or nil
    if not c then
      em = em + (code < 0x2E80 and 0.65 or 1.05)
    elseif c:find(NARROW) then
      em = em + 0.36
    elseif c:find(WIDE) then
      em = em + 0.92
    else
      em = em + (c:find("%u") and 0.7 or 0.6)
    end
  end
  return em * (size or 12)
end

---Shorten a text to a width; the part left out becomes an ellipsis.
---@param text any
---@param room number pixels
---@param size? number font size, default 12
---@param keep_end? boolean leave out the beginning: the end of a layer's path tells more
---@return string
function svg.fit(text, room, size, keep_end)
  text = repair(tostring(text))
  if svg.width(text, size) <= room then return text end
  local n = utf8.len(text)
  for keep = n - 1, 1, -1 do
    local short = keep_end and "…" .. text:sub(utf8.offset(text, n - keep + 1)):gsub("^%.", "")
      or text:sub(1, utf8.offset(text, keep + 1) - 1) .. "…"
    if svg.width(short, size) <= room then return short end
  end
  return "…"
end

---Break a text into lines at spaces; a word that is too wide is shortened.
---@param text any
---@param room number pixels
---@param size number font size
---@param most integer lines; the last one takes an ellipsis when more would follow
---@return string[]
function svg.wrap(text, room, size, most)
  local lines, line = {}, ""
  for word in repair(tostring(text)):gmatch("%S+") do
    local longer = line == "" and word or line .. " " .. word
    if line ~= "" and #lines + 1 < most and svg.width(longer, size) > room then
      lines[#lines + 1], line = line, word
    else
      line = longer
    end
  end
  if line ~= "" then lines[#lines + 1] = line end
  for i, each in ipairs(lines) do lines[i] = svg.fit(each, room, size) end
  return lines
end

---Append a formatted element; numbers among the values become pixel positions.
---@param parts string[]
---@param form string with %s for each value
function svg.put(parts, form, ...)
  local values = table.pack(...)
  for i = 1, values.n do
    if math.type(values[i]) then values[i] = svg.px(values[i]) end
  end
  parts[#parts + 1] = form:format(table.unpack(values, 1, values.n))
end

---One text element.
---@param x number
---@param y number baseline
---@param text any
---@param class? string
---@return string
function svg.text(x, y, text, class)
  return string.format('<text x="%s" y="%s"%s>%s</text>', svg.px(x), svg.px(y),
    class and ' class="' .. class .. '"' or "", svg.escape(text))
end

---Wrap the parts of a chart in its svg element. There is no namespace: inside HTML none is needed, and
---`plot.save` adds it for a file of its own.
---@param width number
---@param height number
---@param label string what a screen reader says
---@param parts string[]
---@return string
function svg.document(width, height, label, parts)
  local w, h = svg.px(width), svg.px(height)
  local form = '<svg class="plot" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-label="%s">'
  return form:format(w, h, w, h, svg.escape(label)) .. table.concat(parts) .. "</svg>"
end

---Refuse an option that a chart does not know.
---Raises: 'plot.line: unknown option "tilte"; did you mean "title"?'.
---@param name string the chart
---@param opts any
---@param known string[]
function svg.options(name, opts, known)
  if type(opts) ~= "table" then
    error(name .. ": options come in a table, { title = ... }, not as " .. tostring(opts), 3)
  end
  local is_known = {}
  for _, key in ipairs(known) do is_known[key] = true end
  for key in pairs(opts) do
    if not is_known[key] then check.unknown(name, "option", key, known, 3) end
  end
end

return svg
