-- The sections that are texts and tables: journal, options and recipe, warnings.

local format = require "rille.report.format"
local gates = require "rille.report.gates"
local html = require "rille.report.html"

local texts = {}

local MOST_ROWS, MOST_TEXT, MOST_RECIPE = 500, 4000, 200000

local function left_out(n)
  if n <= MOST_ROWS then return "" end
  return html.p(string.format("%d more are in the run's folder.", n - MOST_ROWS), "note")
end

local function details(title, body)
  return "<details><summary>" .. title .. "</summary>" .. body .. "</details>"
end

-- What a change wrote; a whole recipe is folded away.
local function change_text(e)
  local value = e.value
  if value == nil then value = e.text end
  local shown = value == nil and "" or html.cut(format.value(value), MOST_TEXT)
  local code = "<code>" .. html.escape(shown) .. "</code>"
  return { markup = e.kind == "reload" and details("the recipe's text", code) or code }
end

-- Where a change applies: its path, or what a new text of the recipe changed.
local function change_path(e)
  local path = e.path or type(e.changed) == "table" and table.concat(e.changed, ", ") or ""
  return html.cut(path, 200)
end

---Changes made by hand while the run was going on.
---@param run table
---@return string? nil when there were none
function texts.journal(run)
  if #run.journal == 0 then return nil end
  local rows = {}
  for i = 1, math.min(#run.journal, MOST_ROWS) do
    local e = run.journal[i]
    rows[i] = { format.count(e.step), html.cut(e.kind or "", 80), change_path(e), change_text(e) }
  end
  return html.table({ "Step", "Kind", "Path", "New value or text" }, rows,
    { left = { [2] = true, [3] = true, [4] = true }, class = "texts" }) .. left_out(#run.journal)
end

local function flatten(rows, path, v)
  if #rows >= MOST_ROWS then return end
  local names = {}
  if type(v) == "table" and #v == 0 then
    for k in pairs(v) do names[#names + 1] = tostring(k) end
  end
  if #names == 0 then
    rows[#rows + 1] = { path, html.cut(format.value(v), MOST_TEXT) }
    return
  end
  table.sort(names)
  for _, name in ipairs(names) do flatten(rows, path == "" and name or path .. "." .. name, v[name]) end
end

local function stages(list)
  local rows = {}
  for _, s in ipairs(list) do
    if type(s) == "table" then
      local row = { html.cut(s.name or "", 80) }
      for c, key in ipairs { "trains", "losses", "optimiser", "ends" } do
        row[c + 1] = s[key] ~= nil and html.cut(format.value(s[key]), 400) or ""
      end
      table.insert(row, 4, html.cut(gates.name(s.gate), 400))
      rows[#rows + 1] = row
    end
  end
  local all = { [2] = true, [3] = true, [4] = true, [5] = true, [6] = true }
  local head = { "Stage", "Trains", "Losses", "Gate", "Optimiser", "Ends" }
  return html.table(head, rows, { left = all, class = "texts" })
end

---Stages, options and the recipe's text, folded away.
---@param run table
---@return string? nil when none is known
function texts.source(run)
  local info, out = run.info, {}
  local has_stages = type(info.stages) == "table" and #info.stages > 0
  if has_stages then out[1] = details("Stages", stages(info.stages)) end
  if type(info.options) == "table" and next(info.options) ~= nil then
    local rows = {}
    flatten(rows, "", info.options)
    local body = html.table({ "Option", "Value" }, rows, { left = { [2] = true }, class = "texts" })
    out[#out + 1] = details("Options, as resolved for this run", body)
  end
  if type(info.recipe_text) == "string" and info.recipe_text ~= "" then
    local body = "<pre>" .. html.escape(html.cut(info.recipe_text, MOST_RECIPE)) .. "</pre>"
    out[#out + 1] = details("Text of the recipe", body)
  end
  return #out > 0 and table.concat(out) or nil
end

---Warnings of the run, and what of its folder could not be read. Equal warnings are one line.
---@param run table
---@return string? nil when there are none
function texts.warnings(run)
  local rows, by_text = {}, {}
  for _, w in ipairs(run.log.warnings) do
    local row = by_text[w.text]
    if not row then
      row = { html.cut(w.text, MOST_TEXT), format.count(w.step), 0 }
      by_text[w.text] = row
      rows[#rows + 1] = row
    end
    row[3] = row[3] + 1
  end
  for _, text in ipairs(run.troubles) do table.insert(rows, 1, { text, "–", 1 }) end
  if #rows == 0 then return nil end
  local total = #rows
  for k = total, MOST_ROWS + 1, -1 do rows[k] = nil end
  return html.table({ "Warning", "First at step", "Times" }, rows, { class = "texts" }) .. left_out(total)
end

return texts
