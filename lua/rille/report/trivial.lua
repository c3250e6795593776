-- Does the model beat answers that need no learning? Figures beside each other, and paired differences.

local figures = require "rille.report.figures"
local format = require "rille.report.format"
local html = require "rille.report.html"
local plot = require "rille.plot"

local trivial = {}

local function is_table(v) return type(v) == "table" and v or {} end

-- columns: metric keys that some trivial answer has; values[answer][key] = figure
local function collect(run)
  local answers, values, columns, seen = {}, {}, {}, {}
  for _, name in ipairs(figures.keys(run.metrics.trivial)) do
    local list = figures.headline(run.metrics.trivial[name])
    if #list > 0 then answers[#answers + 1], values[name] = name, {} end
    for _, f in ipairs(list) do
      values[name][f.key] = f
      if not seen[f.key] then columns[#columns + 1], seen[f.key] = f.key, true end
    end
  end
  figures.sort(columns)
  local ours = {}
  for _, f in ipairs(figures.headline(run.metrics.metrics)) do ours[f.key] = f end
  return answers, values, columns, ours
end

local function name_of(key)
  return figures.name(key) .. (figures.is_less_better(key) and " (less is better)" or "")
end

local function comparison(answers, values, columns, ours)
  local head, rows = { "Answer" }, { { "this run" } }
  for c, key in ipairs(columns) do
    head[c + 1] = name_of(key)
    rows[1][c + 1] = format.metric(ours[key] and ours[key].value)
  end
  for r, name in ipairs(answers) do
    rows[r + 1] = { (name:gsub("_", " ")) }
    for c, key in ipairs(columns) do
      rows[r + 1][c + 1] = format.metric(values[name][key] and values[name][key].value)
    end
  end
  return html.table(head, rows)
end

local function chart(key, answers, values, ours)
  local bars = {}
  local function put(name, f, is_main)
    if f and math.abs(f.value) < math.huge then
      local has = format.interval(f.interval) ~= ""
      local interval = has and f.interval or nil
      bars[#bars + 1] = { name = name, value = f.value, text = format.metric(f.value), interval = interval,
        is_main = is_main }
    end
  end
  put("this run", ours[key], true)
  for _, name in ipairs(answers) do put((name:gsub("_", " ")), values[name][key], false) end
  if #bars < 2 then return nil end
  return html.figure(plot.bars { bars = bars, title = name_of(key) .. " beside trivial answers" })
end

local function verdict(interval)
  if format.interval(interval) == "" then return "" end
  if interval[1] > 0 then return "above 0" end
  return interval[2] < 0 and "below 0" or "0 inside: not told apart"
end

local function differences(run)
  local rows = {}
  for _, name in ipairs(figures.keys(run.metrics.differences)) do
    local d = is_table(run.metrics.differences[name])
    local key, other = name:match("^(%S+) vs (.+)$")
    local label = key and figures.name(key) .. ", this run minus " .. other:gsub("_", " ") or name
    rows[#rows + 1] = { label, format.metric(d.mean), format.interval(d.interval), verdict(d.interval) }
  end
  if #rows == 0 then return "" end
  return "<h3>Paired differences on the same images</h3>" ..
    html.table({ "Difference", "Mean", "Interval", "Reading" }, rows, { left = { [4] = true } })
end

---The section.
---@param run table
---@return string? nil when neither trivial answers nor differences are known
function trivial.section(run)
  local answers, values, columns, ours = collect(run)
  local below = differences(run)
  if #answers == 0 then return below ~= "" and below or nil end
  local charts = {}
  for _, key in ipairs(columns) do
    if figures.is_main(key) then charts[#charts + 1] = chart(key, answers, values, ours) end
  end
  return comparison(answers, values, columns, ours) .. html.grid(charts) .. below
end

return trivial
