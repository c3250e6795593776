-- Scores of a run's models on a split: rows per image, figures, predictions.csv.
local build = require "rille.run.build"
local core = require "rille.core"
local figures = require "rille.run.figures"
local io_ = require "rille.core".io
local outputs = require "rille.run.outputs"
local scores = require "rille.run.scores"
local trivial = require "rille.run.trivial"

local evaluate = {}

---Outputs of a run's recipe for a batch.
---@param run table recipe, models, options
---@return fun(batch: table): table
function evaluate.forward(run)
  return function(batch) return outputs.wrap(run.recipe.table.forward(run.models, batch, run.options)) end
end

---Rows of a split, models in evaluation mode and without gradients.
---@param run table
---@param split string
---@return table[]
function evaluate.rows(run, split)
  local forward, gather = evaluate.forward(run), scores.gather(run.recipe.table.report or {}, run.feed)
  build.eval(run.models)
  core.no_grad(function()
    for batch in run.feed:fixed(split, run.batch_size) do gather:take(forward(batch), batch) end
  end)
  return gather.rows
end

---Write one line per image.
---@param path string
---@param rows table[]
---@param classes string[]
function evaluate.write_csv(path, rows, classes)
  local names, list = { "file" }, {}
  local first = rows[1] or {}
  if first.p then
    names[#names + 1], names[#names + 2] = "label", "predicted"
    for _, class in ipairs(classes) do names[#names + 1] = "p_" .. class end
  end
  for _, key in ipairs { "cc", "hs", "kl" } do
    for _, row in ipairs(rows) do
      if row[key] then
        names[#names + 1] = key
        break
      end
    end
  end
  for i, row in ipairs(rows) do
    local line = { file = row.file, cc = row.cc, hs = row.hs, kl = row.kl }
    if row.p then
      line.label, line.predicted = row.label and classes[row.label] or nil, classes[row.predicted]
      for k, class in ipairs(classes) do line["p_" .. class] = ("%.9g"):format(row.p[k]) end
    end
    for _, key in ipairs { "cc", "hs", "kl" } do
      if line[key] then line[key] = ("%.9g"):format(line[key]) end
    end
    list[i] = line
  end
  local ok, why = io_.write_csv(path, list, names)
  if not ok then error(why, 0) end
end

---Figures of a split, with trivial answers beside them.
---@param run table
---@param split string
---@param rows table[]
---@return table
function evaluate.figures(run, split, rows)
  local report, out = run.recipe.table.report or {}, figures.of(rows, run.feed.classes)
  out.split = split
  if report.classify then
    local other = trivial.thumbnail(run.feed, split)
    if other then figures.beside(out, rows, "thumbnail", other, run.feed.classes) end
  end
  if report.saliency then
    for name, other in pairs(trivial.maps(run.feed, split)) do
      figures.beside(out, rows, name, other, run.feed.classes)
    end
  end
  return out
end

---The main figures as a line.
---@param out table of evaluate.figures
---@return string
function evaluate.text(out)
  local m, parts = out.metrics, {}
  local function put(name, v, interval)
    if v then
      parts[#parts + 1] = ("%s %.3f%s"):format(name, v,
        interval and (" (%.3f to %.3f)"):format(interval[1], interval[2]) or "")
    end
  end
  put("AUC", m.auc_macro, m.auc_macro_interval)
  put("accuracy", m.accuracy, m.accuracy_interval)
  for _, key in ipairs { "cc", "hs", "kl" } do
    if m[key] then put(key:upper(), m[key].mean, m[key].interval) end
  end
  return table.concat(parts, ", ")
end

return evaluate
