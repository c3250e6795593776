-- How well the classes are told apart: ROC curves, a table per class, the confusion matrix; and a table per
-- finding where an image has several.

local figures = require "rille.report.figures"
local format = require "rille.report.format"
local html = require "rille.report.html"
local plot = require "rille.plot"

local quality = {}

local MOST_CURVES = 7

local function is_table(v) return type(v) == "table" and v or {} end

local function numbers(list)
  if type(list) ~= "table" then return nil end
  for i = 1, #list do
    if not format.is_number(list[i]) then return nil end
  end
  return list
end

local function curve_of(name, roc)
  local fpr, tpr = numbers(is_table(roc).fpr), numbers(is_table(roc).tpr)
  if not (fpr and tpr) or #fpr ~= #tpr or #fpr == 0 then return nil end
  local interval = format.interval(roc.interval)
  local label = name .. ": " .. format.metric(roc.auc) .. (interval ~= "" and " (" .. interval .. ")" or "")
  return { name = label, fpr = fpr, tpr = tpr, auc = format.is_number(roc.auc) and roc.auc or 0 }
end

local function roc_figure(run, classes)
  local list = {}
  for _, name in ipairs(classes) do list[#list + 1] = curve_of(name, is_table(run.metrics.roc)[name]) end
  if #list == 0 then return nil end
  local note = "Each class against all others; in brackets the interval. Thin diagonal: what guessing gives."
  if #list > MOST_CURVES then
    table.sort(list, function(a, b) return a.auc < b.auc end)
    note = string.format("The %d hardest of %d classes. %s", MOST_CURVES, #list, note)
    list = table.move(list, 1, MOST_CURVES, 1, {})
  end
  return html.figure(plot.roc { curves = list, title = "ROC curve and AUC of each class" }, note, "small")
end

-- Metrics that have one number per class; the columns of the table.
local function per_class(metrics, classes)
  local keys = {}
  for _, key in ipairs(figures.keys(metrics)) do
    local has = false
    for _, class in ipairs(classes) do
      has = has or type(metrics[key]) == "table" and format.is_number(metrics[key][class])
    end
    if has and not key:find("_interval$") then keys[#keys + 1] = key end
  end
  return keys
end

local function class_table(run, classes)
  local metrics, roc = is_table(run.metrics.metrics), is_table(run.metrics.roc)
  local keys = per_class(metrics, classes)
  if #keys == 0 then return nil end
  local head, rows = { "Class" }, {}
  for _, key in ipairs(keys) do
    head[#head + 1] = figures.name(key)
    if key == "auc" then head[#head + 1] = "Interval" end
  end
  for r, class in ipairs(classes) do
    rows[r] = { class }
    for _, key in ipairs(keys) do
      table.insert(rows[r], format.metric(metrics[key][class]))
      if key == "auc" then table.insert(rows[r], format.interval(is_table(roc[class]).interval)) end
    end
  end
  return html.table(head, rows)
end

---ROC curves and the table per class.
---@param run table
---@return string? nil when there is neither
function quality.roc(run)
  local classes = figures.classes(run)
  local chart, rows = roc_figure(run, classes), class_table(run, classes)
  if not (chart or rows) then return nil end
  return '<div class="grid-of">' .. (chart or "") .. (rows and "<div>" .. rows .. "</div>" or "") .. "</div>"
end

-- Lines of the groups of findings, by name; and what is left out of all means.
local function group_rows(run, rows)
  local groups = is_table(run.metrics.groups)
  for _, name in ipairs(figures.keys(groups)) do
    local g = is_table(groups[name])
    rows[#rows + 1] = { ("mean of %s (%s)"):format(name, format.count(g.n)), "", "", format.metric(g.auc), "",
      format.metric(g.ap), "" }
  end
  local names = {}
  for k, name in ipairs(is_table(run.metrics.left_out)) do names[k] = tostring(name) end
  return #names > 0 and " Too few positives, so in no mean: " .. table.concat(names, ", ") .. "." or ""
end

---The table per finding, the hardest first.
---@param run table
---@return string? nil when there is none
function quality.findings(run)
  local list = {}
  for _, f in ipairs(is_table(run.metrics.findings)) do
    if type(f) == "table" and f.name ~= nil then list[#list + 1] = f end
  end
  if #list == 0 then return nil end
  local function order(f) return format.is_number(f.auc) and f.auc or 2 end
  table.sort(list, function(a, b)
    if order(a) ~= order(b) then return order(a) < order(b) end
    return tostring(a.name) < tostring(b.name)
  end)
  local rows = {}
  for r, f in ipairs(list) do
    rows[r] = { tostring(f.name), format.count(f.n), format.metric(f.prevalence), format.metric(f.auc),
      format.interval(f.auc_interval), format.metric(f.ap), format.interval(f.ap_interval) }
  end
  local note = group_rows(run, rows)
  return html.table({ "Finding", "Images", "Prevalence", "AUC", "Interval", "AP", "Interval" }, rows) ..
    html.p("The hardest first. A coin reaches an AUC of 0.5 and an AP of the prevalence." .. note,
      "note")
end

---The confusion matrix.
---@param run table
---@return string? nil when there is none
function quality.confusion(run)
  local counts = run.metrics.confusion
  if type(counts) ~= "table" or #counts == 0 or #counts > 60 then return nil end
  local right, all = 0, 0
  for r, row in ipairs(counts) do
    if type(row) ~= "table" then return nil end
    for c = 1, #counts do
      local n = format.is_number(row[c]) and row[c] or 0
      all, right = all + n, right + (r == c and n or 0)
    end
  end
  local title = string.format("%s of %s images in their own class", format.count(right), format.count(all))
  local width = math.max(400, math.min(1100, 160 + 26 * #counts))
  local classes = figures.classes(run)
  local chart = plot.confusion { counts = counts, classes = classes, title = title, width = width }
  return html.figure(chart, "Colour and per cent: share of the row, that is of the images of one true class.",
    #counts > 10 and "wide" or "small")
end

return quality
