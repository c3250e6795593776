-- rille predict: a run's answers for a folder of pictures.
local common = require "rille.cli.common"

local command = { name = "predict", usage = "RUN DIR [options]",
  words = { least = 2, most = 2, what = "a run folder and a folder of pictures" },
  doc = "answers for a folder of PNG and JPEG pictures: predictions.csv; maps, masks, restored pictures",
  options = { { name = "out", value = "DIR", doc = "where they go (default DIR-predicted)" },
    { name = "whole",
      doc = "each picture at its own size, one at a time; of a run that restores, restored pictures alone" },
    { name = "zoom", value = "X,Y,SIDE",
      doc = "with --whole: restored pictures beside what was given, this square of both enlarged" },
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

local function restored(y) return y:to("f32"):clamp { min = 0, max = 1 } end

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
    return function(i) return restored(y[i]) end
  end },
}

local function name_of(file) return (file:gsub("%.%w+$", ""):gsub("[/\\]", "_")) end

local function write_pictures(dir, y, report, batch)
  local pictures, kinds = require "rille.run.pictures", require "rille.run.kinds"
  for kind, draws in pairs(DRAWS) do
    local draw = report[kind] and draws[2](pictures, kinds, y[kinds.output(report[kind])], batch.image)
    for i, file in ipairs(draw and batch.file or {}) do
      pictures.save(("%s/%s/%s.png"):format(dir, draws[1], name_of(file)), draw(i))
    end
  end
end

-- X,Y,SIDE of --zoom in pixels of the picture that was given, from 1.
local function square(o, report)
  if not o.zoom then return nil end
  local x, y, side = o.zoom:match "^(%d+),(%d+),(%d+)$"
  if not (o.whole and report.restore) then
    error("predict: --zoom shows restored pictures: it needs --whole, and a run that restores", 0)
  elseif not x or x + 0 < 1 or y + 0 < 1 or side + 0 < 1 then
    error(('predict: --zoom takes X,Y,SIDE in pixels from 1, such as 40,60,32, not "%s"'):format(o.zoom), 0)
  end
  return { x = math.tointeger(x), y = math.tointeger(y), side = math.tointeger(side) }
end

local function write_zoom(dir, y, report, batch, zoom)
  local rl, pictures, kinds = require "rille", require "rille.run.pictures", require "rille.run.kinds"
  local made, given = restored(y[kinds.output(report.restore)]), batch.image
  local height, width, times = given.shape[3], given.shape[4], made.shape[4] // given.shape[4]
  if zoom.x + zoom.side - 1 > width or zoom.y + zoom.side - 1 > height then
    error(("predict: --zoom %d,%d,%d does not lie in %s, which has %dx%d pixels"):format(zoom.x, zoom.y,
      zoom.side, batch.file[1], width, height), 0)
  end
  local x, y1, side = (zoom.x - 1) * times + 1, (zoom.y - 1) * times + 1, zoom.side * times
  local before = pictures.zoomed(rl.data.resize(given, made)[1], x, y1, side)
  local gap = rl.full({ 3, before.shape[2], 8 }, 1)
  pictures.save(("%s/zooms/%s.png"):format(dir, name_of(batch.file[1])),
    rl.cat({ before, gap, pictures.zoomed(made[1], x, y1, side) }, 3))
end

-- The next picture of a folder that can be read, from row i on: its row, and how large it is.
local function readable(set, i, on_bad)
  while i <= set.n do
    local image, why = require "rille.core".io.read_image(set.dir .. "/" .. set:row(i).file)
    if image then return i, { image.shape[2], image.shape[3] } end
    if on_bad ~= "skip" then
      error(('predict: %s; put it right, or set data.on_bad = "skip" in the run\'s recipe'):format(why), 0)
    end
    io.stderr:write("rille: warning: left out: ", why, "\n")
    i = i + 1
  end
end

-- The batches of a folder: windows as in training, or each picture as large as it is.
local function batches(set, run, whole)
  local rl = require "rille"
  local d = require "rille.run.feed".fields(run.recipe)
  local o = { batch = run.options.batch, size = run.options.size, resize = d.resize, mean = d.mean,
    std = d.std, channels = run.options.channels, on_bad = d.on_bad, cache = 0 }
  if not whole then return rl.data.loader(set, o):epoch(1) end
  local i = 0
  return function()
    i, o.size = readable(set, i + 1, d.on_bad)
    if not i then return nil end
    o.batch, o.resize, o.rows, o.threads = 1, nil, { i }, 0
    return rl.data.loader(set, o):next()
  end
end

-- Outputs are made when they are first asked for: here, so that what fails is the network and not a file.
local function make_outputs(y, report, batch, whole)
  local kinds = require "rille.run.kinds"
  for _, of in pairs(report) do
    local ok, why = pcall(function() return y[kinds.output(of)] end)
    if not ok and type(why) == "string" and whole then
      local size = batch.image.shape
      why = ("predict: %s, %dx%d pixels: %s; the network does not take every size: leave --whole out"):format(
        batch.file[1], size[4], size[3], why)
    end
    if not ok then error(why, 0) end
  end
end

-- Makes the folders of the pictures; their names for the last line.
local function folders(out, report, zoom)
  local files, made = require "rille.util.files", {}
  for kind, draws in pairs(DRAWS) do
    if report[kind] then
      files.make_folder(out .. "/" .. draws[1])
      made[#made + 1] = out .. "/" .. draws[1]
    end
  end
  if zoom then
    files.make_folder(out .. "/zooms")
    made[#made + 1] = out .. "/zooms"
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
  local out, zoom = o.out or o[2]:gsub("(.)/+$", "%1") .. "-predicted", square(o, report)
  files.make_folder(out)
  if o.whole and report.restore then report = { restore = report.restore } end
  local made, forward, rows = folders(out, report, zoom), evaluate.forward(run), {}
  core.no_grad(function()
    for batch in batches(rl.data.open(o[2]), run, o.whole) do
      local y = forward(batch)
      make_outputs(y, report, batch, o.whole)
      for _, row in ipairs(rows_of(y, report, batch)) do rows[#rows + 1] = row end
      write_pictures(out, y, report, batch)
      if zoom then write_zoom(out, y, report, batch, zoom) end
    end
  end)
  evaluate.write_csv(out .. "/predictions.csv", rows, classes, run.info.data.findings)
  table.insert(made, 1, out .. "/predictions.csv")
  print(("%d pictures: %s"):format(#rows, table.concat(made, ", ")))
  return 0
end

return command
