-- The head of the page: question, facts, headline figures, and a line per stage with what it cost.

local convergence = require "rille.report.convergence"
local costs = require "rille.report.costs"
local figures = require "rille.report.figures"
local format = require "rille.report.format"
local html = require "rille.report.html"

local summary = {}

local function is_table(v) return type(v) == "table" and v or {} end

---The recipe's name: its file's name without folder and ending.
---@param run table
---@return string
function summary.recipe(run)
  local name = tostring(run.info.recipe or "run"):gsub("%.lua$", "")
  return name:match("([^/\\]+)$") or name
end

---The question a recipe asks: its first comment lines, without command lines and what is set in below them.
---@param text any recipe_text
---@return string empty when there is none
function summary.question(text)
  local lines = {}
  for line in (type(text) == "string" and text or ""):gmatch("[^\n]*") do
    local comment = line:match("^%-%-+%s*(.-)%s*$")
    if not comment or comment == "" and #lines > 0 or line:find("^%-%-  ") then break end
    if not comment:find("^rille%s") and not comment:find("^%[=*%[") then lines[#lines + 1] = comment end
  end
  return html.cut(table.concat(lines, " "), 1000)
end

local function data_text(data)
  local out, counts = {}, is_table(data.counts)
  if data.name or data.dir then out[1] = tostring(data.name or data.dir) end
  local parts = {}
  for _, split in ipairs { "train", "val", "test" } do
    local n = counts[split]
    if format.is_number(n) then parts[#parts + 1] = split .. " " .. format.count(n) end
  end
  if #parts > 0 then out[#out + 1] = table.concat(parts, ", ") end
  if type(data.classes) == "table" and #data.classes > 0 then
    local names = {}
    for k, name in ipairs(data.classes) do names[k] = tostring(name) end
    out[#out + 1] = #names .. " classes: " .. html.cut(table.concat(names, ", "), 400)
  end
  return table.concat(out, "; ")
end

local function models_text(models)
  local out = {}
  for _, model in ipairs(is_table(models)) do
    if type(model) == "table" then
      out[#out + 1] = tostring(model.name) .. " " .. format.count(model.parameters)
    end
  end
  return table.concat(out, ", ")
end

local function facts(run)
  local info, out = run.info, {}
  local function fact(name, value)
    if value ~= nil and value ~= "" then out[#out + 1] = { name, html.cut(value, 600) } end
  end
  local versions = is_table(info.versions)
  fact("Preset", info.preset)
  fact("Seed", info.seed ~= nil and format.value(info.seed) or nil)
  fact("Data", data_text(is_table(info.data)))
  fact("Parameters", models_text(info.models))
  fact("Machine", info.cpu and tostring(info.cpu) .. (info.isa and " (" .. tostring(info.isa) .. ")" or ""))
  fact("Threads", info.threads ~= nil and format.value(info.threads) or nil)
  fact("Linear algebra", info.blas ~= nil and format.value(info.blas) or nil)
  fact("Versions", versions.rille and "rille " .. tostring(versions.rille) ..
    (versions.lua and ", " .. (tostring(versions.lua):gsub("^Lua%s*", "Lua ")) or ""))
  fact("Started", info.started)
  fact("Weights CRC-32", run.metrics.weights_crc)
  return #out > 0 and html.facts(out) or ""
end

local function card(f)
  local name = figures.name(f.key):gsub("^(%l)(%l)", function(a, b) return a:upper() .. b end)
  local out = { '<div class="card"><div class="name">', html.escape(name),
    f.is_mean and ", mean" or "", '</div><div class="value">', format.metric(f.value), "</div>" }
  local interval, below = format.interval(f.interval), {}
  if interval ~= "" then below[1] = "interval " .. interval end
  if format.is_number(f.std) then below[#below + 1] = "std " .. format.metric(f.std) end
  if format.is_number(f.median) then below[#below + 1] = "median " .. format.metric(f.median) end
  if figures.is_less_better(f.key) then below[#below + 1] = "less is better" end
  out[#out + 1] = '<div class="below">' .. html.escape(table.concat(below, "; ")) .. "</div></div>"
  return table.concat(out)
end

local function headline(run)
  local list = figures.headline(run.metrics.metrics)
  if #list == 0 then return "" end
  local split = tostring(run.metrics.split or "test")
  local n = format.is_number(run.metrics.n) and ", " .. format.count(run.metrics.n) .. " images" or ""
  local out = { "<h3>Figures on the split “", html.escape(split), "”", n, '</h3><div class="cards">' }
  for _, f in ipairs(list) do out[#out + 1] = card(f) end
  out[#out + 1] = "</div>"
  return table.concat(out)
end

---The section.
---@param run table
---@return string
function summary.section(run)
  return headline(run) .. costs.section(run) .. convergence.lines(run) ..
    "<h3>What ran, on what</h3>" .. facts(run)
end

return summary
