-- rille predict: a run's answers for a folder of pictures.
local common = require "rille.cli.common"

local command = { name = "predict", usage = "RUN DIR [options]",
  words = { least = 2, most = 2, what = "a run folder and a folder of pictures" },
  doc = "answers for a folder of PNG and JPEG pictures: predictions.csv; maps, masks, restored pictures",
  options = { { name = "out", value = "DIR", doc = "where they go (default DIR-predicted)" },
    common.THREADS } }

local function rows_of(y, report, batch)
  local rl, kinds, rows = require "rille", require "rille.run.kinds", {}
  for i, file in ipairs(batch.file) do rows[i] = { file = file } end
  if report.classify then
    kinds.put_classes(rows, rl.softmax(y[kinds.output(report.classify)]:to("f64"), -1):tolist())
  end
  if report.multilabel then
    local q = rl.sigmoid(y[kinds.output(report.multilabel)]:to("f64")):tolist()
    for i, row in ipairs(rows) do row.q = q[i] end
  end
  return rows
end

-- What each kind draws for image i, in a folder of its own.
local DRAWS = {
  saliency = { "maps", function(pictures, _, y, image)
    local density = require "rille".metrics.density(y)
    return function(i) return pictures.overlay(pictures.grey(image[i]), density[i]) end
  end },
  segment = { "masks", function(_, kinds, y)
    local mask = kinds.foreground(y):to "f32"
    return function(i) return mask[i] end
  end },
  restore = { "restored", function(_, _, y)
    return function(i) return y[i]:to("f32"):clamp({ min = 0, max = 1 }) end
  end },
}

local function write_pictures(dir, y, report, batch)
  local pictures, kinds = require "rille.run.pictures", require "rille.run.kinds"
  for kind, draws in pairs(DRAWS) do
    local draw = report[kind] and draws[2](pictures, kinds, y[kinds.output(report[kind])], batch.image)
    for i, file in ipairs(draw and batch.file or {}) do
      local name = file:gsub("%.%w+$", ""):gsub("[/\\]", "_")
      pictures.save(("%s/%s/%s.png"):format(dir, draws[1], name), draw(i))
    end
  end
end

-- Makes the folders of the pictures; their names for the last line.
local function folders(out, report)
  local files, made = require "rille.util.files", {}
  for kind, draws in pairs(DRAWS) do
    if report[kind] then
      files.make_folder(out .. "/" .. draws[1])
      made[#made + 1] = out .. "/" .. draws[1]
    end
  end
  table.sort(made)
  return made
end

function command.run(o)
  local core, rl, files = require "rille.core", require "rille", require "rille.util.files"
  local evaluate = require "rille.run.evaluate"
  common.threads(o)
  local run = require "rille.run.reopen".run(o[1], { without_data = true })
  local report, classes = run.recipe.table.report or {}, run.info.data.classes
  if not next(report) then
    error("predict: the recipe's report names no output", 0)
  end
  if files.kind(o[2]) ~= "directory" then
    error(('predict: "%s" is no folder; name one with PNG or JPEG files'):format(o[2]), 0)
  end
  local out = o.out or o[2]:gsub("(.)/+$", "%1") .. "-predicted"
  files.make_folder(out)
  local made = folders(out, report)
  local d, forward, rows = require "rille.run.feed".fields(run.recipe), evaluate.forward(run), {}
  local loader = rl.data.loader(rl.data.open(o[2]),
    { batch = run.options.batch, size = run.options.size, resize = d.resize, channels = run.options.channels,
    mean = d.mean, std = d.std, on_bad = d.on_bad, cache = 0 })
  core.no_grad(function()
    for batch in loader:epoch(1) do
      local y = forward(batch)
      for _, row in ipairs(rows_of(y, report, batch)) do rows[#rows + 1] = row end
      write_pictures(out, y, report, batch)
    end
  end)
  evaluate.write_csv(out .. "/predictions.csv", rows, classes, run.info.data.findings)
  table.insert(made, 1, out .. "/predictions.csv")
  print(("%d pictures: %s"):format(#rows, table.concat(made, ", ")))
  return 0
end

return command
