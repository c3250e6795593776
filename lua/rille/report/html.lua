-- Pieces of HTML. Every text from a run goes through `escape`; what is named `markup` is already HTML.

local svg = require "rille.plot.svg"

local html = { escape = svg.escape }

---A table whose first column is a row header.
---
---Cells are texts and are escaped, or { markup = "..." } that are not.
---@param head string[] column titles
---@param rows any[][]
---@param opts? { left: table<integer, boolean>?, class: string? } left: columns of text; the first one
---  always is, all others hold numbers and stand right
---@return string
function html.table(head, rows, opts)
  opts = opts or {}
  local left = opts.left or {}
  local function cell(tag, v, c)
    local text = type(v) == "table" and v.markup or svg.escape(v == nil and "" or v)
    return string.format("<%s%s>%s</%s>", tag, (c == 1 or left[c]) and ' class="l"' or "", text, tag)
  end
  local class = opts.class and ' class="' .. opts.class .. '"' or ""
  local out = { '<div class="scroll"><table', class, "><thead><tr>" }
  for c, title in ipairs(head) do out[#out + 1] = cell("th", title, c) end
  out[#out + 1] = "</tr></thead><tbody>"
  for _, row in ipairs(rows) do
    out[#out + 1] = "<tr>"
    for c = 1, #head do out[#out + 1] = cell("td", row[c], c) end
    out[#out + 1] = "</tr>"
  end
  out[#out + 1] = "</tbody></table></div>"
  return table.concat(out)
end

---A list of facts: name and value.
---@param facts { [1]: string, [2]: string }[] escaped here
---@return string
function html.facts(facts)
  local out = { '<dl class="facts">' }
  for _, fact in ipairs(facts) do
    local name, value = svg.escape(fact[1]), svg.escape(fact[2])
    out[#out + 1] = "<div><dt>" .. name .. "</dt><dd>" .. value .. "</dd></div>"
  end
  out[#out + 1] = "</dl>"
  return table.concat(out)
end

---A chart with what one should know to read it.
---@param chart string svg
---@param note? string escaped here
---@param class? "wide"|"small" wide: a whole row; on a phone it scrolls instead of shrinking too far
---@param title? string escaped here; for wide charts, whose own title would scroll away
---@return string
function html.figure(chart, note, class, title)
  local caption = note and "<figcaption>" .. svg.escape(note) .. "</figcaption>" or ""
  class = class and ' class="' .. class .. '"' or ""
  local head = title and '<div class="title">' .. svg.escape(title) .. "</div>" or ""
  return "<figure" .. class .. ">" .. head .. '<div class="scroll">' .. chart .. "</div>" .. caption ..
    "</figure>"
end

---A paragraph.
---@param text string escaped here
---@param class? string
---@return string
function html.p(text, class)
  return string.format("<p%s>%s</p>", class and ' class="' .. class .. '"' or "", svg.escape(text))
end

---Figures side by side where there is room.
---@param figures string[]
---@return string empty when there are none
function html.grid(figures)
  if #figures == 0 then return "" end
  return '<div class="grid-of">' .. table.concat(figures) .. "</div>"
end

---A text cut at a limit of bytes, never inside a character.
---@param text any
---@param most integer bytes
---@return string
function html.cut(text, most)
  text = tostring(text)
  if #text <= most then return text end
  local at = most
  while at > 0 and (text:byte(at + 1) & 0xC0) == 0x80 do at = at - 1 end
  return text:sub(1, at) .. string.format("… (%d of %d bytes shown)", at, #text)
end

return html
