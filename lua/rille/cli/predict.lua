-- rille predict: a run's answers for a folder of pictures.
local common = require "rille.cli.common"

local command = { name = "predict", usage = "RUN DIR [options]",
  words = { least = 2, most = 2, what = "a run folder and a folder of pictures" },
  doc = "answers for a folder of PNG and JPEG pictures: predictions.csv, and maps laid over the pictures",
  options = { { name = "out", value = "DIR", doc = "where they go (default DIR-predicted)" },
    common.THREADS } }

local function rows_of(y, report, batch)
  local rl, rows = require "rille", {}
  for i, file in ipairs(batch.file) do rows[i] = { file = file } end
  if report.classify then
    require "rille.run.scores".put_classes(rows, rl.softmax(y[report.classify]:to("f64"), -1):tolist())
  end
  return rows
end

local function write_maps(dir, y, report, batch)
  local pictures, io_ = require "rille.run.pictures", require "rille.core".io
  local density = require "rille".metrics.density(y[report.saliency])
  for i, file in ipairs(batch.file) do
    local picture = pictures.overlay(pictures.grey(batch.image[i]), density[i])
    local name = file:gsub("%.%w+$", ""):gsub("[/\\]", "_")
    local ok, why = io_.write_png(("%s/%s.png"):format(dir, name), picture)
    if not ok then error(why, 0) end
  end
end

function command.run(o)
  local core, rl, files = require "rille.core", require "rille", require "rille.util.files"
  local evaluate = require "rille.run.evaluate"
  common.threads(o)
  local run = require "rille.run.reopen".run(o[1], { without_data = true })
  local report, classes = run.recipe.table.report or {}, run.info.data.classes
  if not (report.classify or report.saliency) then
    error("predict: the recipe's report names no output", 0)
  end
  if files.kind(o[2]) ~= "directory" then error(('predict: "%s" is no folder'):format(o[2]), 0) end
  local out = o.out or o[2]:gsub("(.)/+$", "%1") .. "-predicted"
  files.make_folder(out)
  if report.saliency then files.make_folder(out .. "/maps") end
  local d, forward, rows = run.recipe.data, evaluate.forward(run), {}
  local loader = rl.data.loader(rl.data.open(o[2]),
    { batch = run.options.batch, size = run.options.size, channels = run.options.channels,
    mean = d.mean, std = d.std, on_bad = d.on_bad, cache = 0 })
  core.no_grad(function()
    for batch in loader:epoch(1) do
      local y = forward(batch)
      for _, row in ipairs(rows_of(y, report, batch)) do rows[#rows + 1] = row end
      if report.saliency then write_maps(out .. "/maps", y, report, batch) end
    end
  end)
  evaluate.write_csv(out .. "/predictions.csv", rows, classes)
  print(("%d pictures: %s/predictions.csv%s"):format(#rows, out,
    report.saliency and (" and %s/maps"):format(out) or ""))
  return 0
end

return command
