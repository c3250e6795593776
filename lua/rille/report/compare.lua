-- Several runs as one table: mean and spread of each headline figure per recipe and varied options, and the
-- paired differences to the first variant over the seeds that both have.

local costs = require "rille.report.costs"
local figures = require "rille.report.figures"
local format = require "rille.report.format"
local html = require "rille.report.html"
local overview = require "rille.report.overview"
local page = require "rille.report.page"
local read = require "rille.report.read"
local student = require "rille.metrics.student"
local summary = require "rille.report.summary"
local variants = require "rille.report.variants"

local compare = {}

local function load(dirs)
  local runs = {}
  for k, dir in ipairs(dirs) do
    local run = read.run(dir)
    runs[k] = { dir = dir, recipe = summary.recipe(run), seed = run.info.seed, values = {},
      settings = variants.settings(run.info), figures = figures.headline(run.metrics.metrics),
      costs = select(2, costs.of(run)) }
    for _, f in ipairs(runs[k].figures) do runs[k].values[f.key] = f.value end
  end
  return runs
end

---Mean and standard deviation (over n - 1) of the numbers in a list.
---@param list number[]
---@return number? mean, number? std nil for fewer than two
function compare.spread(list)
  local n, sum, squares = #list, 0, 0
  if n == 0 then return nil end
  for _, v in ipairs(list) do sum = sum + v end
  for _, v in ipairs(list) do squares = squares + (v - sum / n) ^ 2 end
  local mean, std = sum / n, n > 1 and math.sqrt(squares / (n - 1)) or nil
  -- Equal values leave a last bit or two of the mean's rounding, which is no spread.
  if std and std < 1e-12 * math.abs(mean) then std = 0 end
  return mean, std
end

local function values_of(g, key)
  local out = {}
  for _, run in ipairs(g.runs) do out[#out + 1] = run.values[key] end
  return out
end

local function columns(runs)
  local out, seen = {}, {}
  for _, run in ipairs(runs) do
    for _, f in ipairs(run.figures) do
      if not seen[f.key] then out[#out + 1], seen[f.key] = f.key, true end
    end
  end
  return out
end

local function means(groups, paths, keys)
  local head, rows, left = { "Recipe" }, {}, {}
  for k, path in ipairs(paths) do head[k + 1], left[k + 1] = path, true end
  head[#head + 1] = "Runs"
  for _, key in ipairs(keys) do head[#head + 1] = figures.name(key) end
  for r, g in ipairs(groups) do
    rows[r] = table.move(g.cells, 1, #g.cells, 1, {})
    table.insert(rows[r], #g.runs)
    for _, key in ipairs(keys) do
      local mean, std = compare.spread(values_of(g, key))
      table.insert(rows[r], format.metric(mean) .. (std and " ± " .. format.metric(std) or ""))
    end
  end
  return head, rows, left
end

-- Means over the runs of each variant of what they trained and what it cost.
local function efficiency(groups, paths)
  local head, rows, left = { "Recipe" }, {}, {}
  for k, path in ipairs(paths) do head[k + 1], left[k + 1] = path, true end
  for _, column in ipairs(costs.COLUMNS) do head[#head + 1] = column[1] end
  for r, g in ipairs(groups) do
    rows[r] = table.move(g.cells, 1, #g.cells, 1, {})
    for _, column in ipairs(costs.COLUMNS) do
      local list = {}
      for _, run in ipairs(g.runs) do list[#list + 1] = run.costs[column[2]] end
      table.insert(rows[r], column[3](compare.spread(list)))
    end
  end
  return "<h2>What each variant trained, and what it cost</h2>" .. html.table(head, rows, { left = left })
    .. html.p("Means over the runs. Time and epochs to best: to the best weights of the last stage.", "note")
end

local function paired(a, b, key)
  local by_seed, out = {}, {}
  for _, run in ipairs(a.runs) do by_seed[tostring(run.seed)] = run.seed and run.values[key] end
  for _, run in ipairs(b.runs) do
    local other, own = by_seed[tostring(run.seed)], run.values[key]
    if other and own then out[#out + 1] = own - other end
  end
  return out
end

local function differences(groups, keys)
  local rows = {}
  for k = 2, #groups do
    local g, name = groups[k], variants.name(groups[k])
    for _, key in ipairs(keys) do
      local list = paired(groups[1], g, key)
      local mean, std = compare.spread(list)
      local reach = std and student.quantile_above(0.025, #list - 1) * std / math.sqrt(#list)
      if mean then
        rows[#rows + 1] = { name, figures.name(key), #list, format.metric(mean),
          reach and format.interval { mean - reach, mean + reach } or "" }
        name = "" -- told once
      end
    end
  end
  return { "Variant", "Figure", "Seeds", "Mean difference", "95 % interval" }, rows
end

local function differences_table(groups, keys)
  local head, rows = differences(groups, keys)
  if #rows == 0 then return nil end
  return "<h2>Paired differences to the first variant</h2>"
    .. html.table(head, rows, { left = { [2] = true } })
    .. html.p("Runs of equal seed are paired; the interval is Student's, over seeds.", "note")
end

local function every_run(runs, keys)
  local head, rows = { "Run", "Recipe", "Seed" }, {}
  for _, key in ipairs(keys) do head[#head + 1] = figures.name(key) end
  for r, run in ipairs(runs) do
    rows[r] = { run.dir, run.recipe, run.seed and format.value(run.seed) or "–" }
    for _, key in ipairs(keys) do table.insert(rows[r], format.metric(run.values[key])) end
  end
  return "<h2>Every run</h2>" .. html.table(head, rows, { left = { [2] = true } })
end

-- Cells in columns; the first is set left, numbers right.
local function aligned(head, rows)
  local width, lines = {}, {}
  for _, row in ipairs { head, table.unpack(rows) } do
    for k, cell in ipairs(row) do
      width[k] = math.max(width[k] or 0, utf8.len(tostring(cell)) or #tostring(cell))
    end
  end
  for r, row in ipairs { head, table.unpack(rows) } do
    local cells = {}
    for k, cell in ipairs(row) do
      local text = tostring(cell)
      local gap = (" "):rep(width[k] - (utf8.len(text) or #text))
      cells[k] = k == 1 and text .. gap or gap .. text
    end
    lines[r] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

---The comparison as text: mean and spread per variant, and paired differences to the first.
---@param run_dirs string[]
---@return string
function compare.text(run_dirs)
  local runs = load(run_dirs)
  local paths, keys = variants.paths(runs), columns(runs)
  local groups = variants.group(runs, paths)
  local text = aligned(means(groups, paths, keys))
  local head, rows = differences(groups, keys)
  if #rows == 0 then return text end
  return text .. "\n\npaired differences to the first variant, over seeds\n" .. aligned(head, rows)
end

---Write one page that compares runs.
---
---Runs are grouped by recipe and by all options, stage fields and presets that differ between runs of it;
---mean and standard deviation (over n - 1) run over the seeds of a group.
---Raises: "compare: ..." when no folders are given; "report: ..." when a folder holds no run.
---@param run_dirs string[]
---@param out string file
---@return string path
function compare.write(run_dirs, out)
  if type(run_dirs) ~= "table" or #run_dirs == 0 then
    error("compare: no runs given; give a list of run folders", 2)
  end
  local runs = load(run_dirs)
  local paths, keys = variants.paths(runs), columns(runs)
  local groups = variants.group(runs, paths)
  local head, rows, left = means(groups, paths, keys)
  local body = { "<header><h1>" .. #runs .. " runs side by side</h1></header>",
    "<h2>Mean ± standard deviation over the runs of each variant</h2>",
    html.table(head, rows, { left = left }) }
  body[#body + 1] = overview.section(#groups, keys, function(k, key)
    return (compare.spread(values_of(groups[k], key)))
  end)
  body[#body + 1] = differences_table(groups, keys)
  body[#body + 1] = efficiency(groups, paths)
  body[#body + 1] = every_run(runs, keys)
  return page.save(out, page.document("rille: " .. #runs .. " runs", body))
end

return compare
