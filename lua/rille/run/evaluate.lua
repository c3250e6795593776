-- Scores of a run's models on a split: rows per image, figures, predictions.csv.
local build = require "rille.run.build"
local core = require "rille.core"
local figures = require "rille.run.figures"
local io_ = require "rille.core".io
local kinds = require "rille.run.kinds"
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
  local forward = evaluate.forward(run)
  local gather = scores.gather(run.recipe.table.report or {}, run.feed, true)
  build.eval(run.models)
  core.no_grad(function()
    local batches = run.feed:fixed(split, run.batch_size, nil, nil, gather.watch.saliency ~= nil)
    for batch in batches do gather:take(forward(batch), batch) end
    if gather.rows[1] and gather.rows[1].map then kinds.put_gaze(gather.rows, trivial.mean_map(run.feed)) end
  end)
  return gather.rows
end

local function nine(v) return v and ("%.9g"):format(v) end

-- Columns of the CSV in order: what every kind that is there gives.
local function columns_of(rows, classes, findings)
  local names, first = { "file" }, rows[1] or {}
  if first.p then
    names[#names + 1], names[#names + 2] = "label", "predicted"
    for _, class in ipairs(classes) do names[#names + 1] = "p_" .. class end
  end
  for k = 1, #(first.q or {}) do names[#names + 1] = "p_" .. (findings[k] or "finding " .. k) end
  for _, key in ipairs(kinds.SCORES) do
    if #kinds.having(rows, key) > 0 then names[#names + 1] = key end
  end
  return names
end

---Write one line per image.
---@param path string
---@param rows table[]
---@param classes string[]
---@param findings? string[] names
function evaluate.write_csv(path, rows, classes, findings)
  local names, list = columns_of(rows, classes, findings or {}), {}
  for i, row in ipairs(rows) do
    local line = { file = row.file }
    for _, key in ipairs(kinds.SCORES) do line[key] = nine(row[key]) end
    if row.p then
      line.label, line.predicted = row.label and classes[row.label] or nil, classes[row.predicted]
      for k, class in ipairs(classes) do line["p_" .. class] = nine(row.p[k]) end
    end
    for k, q in ipairs(row.q or {}) do
      line["p_" .. (findings and findings[k] or "finding " .. k)] = nine(q)
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
  local report, feed = run.recipe.table.report or {}, run.feed
  local out = figures.of(rows, feed.classes, feed.findings, report.multilabel)
  out.split = split
  local function beside(name, other)
    if other then figures.beside(out, rows, name, other, feed.classes) end
  end
  if report.classify then beside("thumbnail", trivial.thumbnail(feed, split)) end
  if report.segment then beside("mean_mask", trivial.mask(feed, split)) end
  if type(report.restore) == "table" and report.restore.from then
    beside("degraded", trivial.degraded(feed, split, report.restore, evaluate.forward(run), run.batch_size))
  end
  if report.saliency then
    for name, other in pairs(trivial.maps(feed, split)) do beside(name, other) end
  end
  return out
end

local NAMES = { cc = "CC", hs = "HS", kl = "KL", nss = "NSS", sauc = "sAUC", dice = "Dice", iou = "Jaccard",
  mean_iou = "mIoU", hd95 = "HD95", psnr = "PSNR", ssim = "SSIM" }

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
  put("mean AUC", m.auc_findings)
  put("mean AP", m.ap_findings)
  for _, key in ipairs(kinds.SCORES) do
    if m[key] and NAMES[key] then put(NAMES[key], m[key].mean, m[key].interval) end
  end
  return table.concat(parts, ", ")
end

return evaluate
