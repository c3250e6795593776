-- Answers that need no insight, to be beaten: a linear classifier of 16 x 16 thumbnails, the mean gaze map
-- of the training images, a Gaussian in the middle of the picture, the mean mask, and the degraded image.
local check = require "rille.util.check"
local core = require "rille.core"
local kinds = require "rille.run.kinds"
local rl = require "rille"

local trivial = {}

local SIDE = 16
local STEPS, RATE, DECAY = 150, 0.02, 1e-3
local BATCH = 64

local function thumbnails(feed, split)
  local x, labels, files = {}, {}, {}
  for batch in feed:fixed(split, BATCH, SIDE, 1) do
    x[#x + 1] = batch.image:reshape({ batch.image.shape[1], -1 })
    for i, label in ipairs(batch.label:tolist()) do
      labels[#labels + 1], files[#files + 1] = label, batch.file[i]
    end
  end
  return rl.cat(x, 1), labels, files
end

-- Softmax regression by Adam over the whole training split, from zero weights: nothing in it is random.
local function fit(x, label, classes)
  local w = rl.zeros({ classes, x.shape[2] }, { requires_grad = true })
  local b = rl.zeros({ classes }, { requires_grad = true })
  local optimiser = rl.optim.Adam({ w, b }, { lr = RATE })
  for _ = 1, STEPS do
    local loss = rl.cross_entropy(rl.linear(x, w, b), label) + (w * w):sum() * DECAY
    optimiser:step(rl.grad(loss, { w, b }))
  end
  return w, b
end

---Rows of the thumbnail classifier for a split.
---@param feed table
---@param split string
---@return table[]? rows nil when the training split has no labels
function trivial.thumbnail(feed, split)
  local x, labels = thumbnails(feed, "train")
  for _, label in ipairs(labels) do
    if label == 0 then return nil end
  end
  local mean = x:mean { dim = { 1 }, keepdim = true }
  local w, b = fit(x - mean, rl.tensor(labels, { dtype = "i64" }), #feed.classes)
  local test, truth, files = thumbnails(feed, split)
  local p = core.no_grad(function() return rl.softmax(rl.linear(test - mean, w, b), -1):tolist() end)
  local rows = {}
  for i, file in ipairs(files) do rows[i] = { file = file } end
  kinds.put_classes(rows, p, truth)
  return rows
end

---The mean gaze map of the training images.
---@param feed table
---@return rille.Tensor? nil without gaze maps
function trivial.mean_map(feed)
  local sum, n = nil, 0
  for batch in feed:fixed("train", BATCH) do
    if not batch.saliency then return nil end
    local one = batch.saliency:to("f64"):sum { dim = { 1 } }
    sum, n = sum and sum + one or one, n + 1
  end
  return sum and sum / sum:sum()
end

local function gaussian(height, width)
  local list, sum = {}, 0
  for y = 1, height do
    list[y] = {}
    for x = 1, width do
      local dy, dx = (y - 0.5) / height - 0.5, (x - 0.5) / width - 0.5
      list[y][x] = math.exp(-(dx * dx + dy * dy) / (2 * 0.25 ^ 2))
      sum = sum + list[y][x]
    end
  end
  return rl.tensor({ list }, { dtype = "f64" }) / sum
end

local function score_map(feed, split, map, baseline)
  local rows, logits = {}, (map + 1e-12):log()
  for batch in feed:fixed(split, BATCH, nil, nil, true) do
    local some, size = {}, batch.saliency.shape
    for i, file in ipairs(batch.file) do some[i] = { file = file } end
    kinds.put_maps(some, logits:reshape({ 1, 1, size[3], size[4] }):expand(size), batch)
    if batch.fixations then
      kinds.keep_map(some, map:reshape({ 1, 1, size[3], size[4] }):expand(size), batch)
    end
    table.move(some, 1, #some, #rows + 1, rows)
  end
  kinds.put_gaze(rows, baseline)
  return rows
end

---Rows of the maps that look the same for every image.
---@param feed table
---@param split string
---@return table<string, table[]> rows by answer's name; empty without gaze maps
function trivial.maps(feed, split)
  return core.no_grad(function()
    local mean = trivial.mean_map(feed)
    if not mean then return {} end
    local size = mean.shape
    return { mean_map = score_map(feed, split, mean, mean),
      gaussian = score_map(feed, split, gaussian(size[#size - 1], size[#size]), mean) }
  end)
end

---Rows of one mask for every image: where more than half of the training masks are.
---@param feed table
---@param split string
---@return table[]? rows nil without masks to learn from
function trivial.mask(feed, split)
  return core.no_grad(function()
    local sum, n = nil, 0
    for batch in feed:fixed("train", BATCH) do
      if not batch.mask then return nil end
      local one = batch.mask:to("f64"):sum { dim = { 1 }, keepdim = true }
      sum, n = sum and sum + one or one, n + batch.has_mask:to("f64"):sum():item()
    end
    if n == 0 then return nil end
    local rows, mean = {}, (sum / n):gt(0.5)
    for batch in feed:fixed(split, BATCH) do
      local some = {}
      for i, file in ipairs(batch.file) do some[i] = { file = file } end
      if batch.mask then kinds.put_masks(some, mean:expand(batch.mask.shape), batch, true) end
      table.move(some, 1, #some, #rows + 1, rows)
    end
    return rows
  end)
end

---Rows of the degraded images taken as they are.
---@param feed table
---@param split string
---@param spec table the report's `restore`, with `from`
---@param forward fun(batch: table): table
---@param size integer of batches
---@return table[]
function trivial.degraded(feed, split, spec, forward, size)
  local rows = {}
  core.no_grad(function()
    for batch in feed:fixed(split, size) do
      local y, some = forward(batch), {}
      for i, file in ipairs(batch.file) do some[i] = { file = file } end
      local x, truth = y[spec.from], kinds.truth(spec, y, batch)
      if check.shape_text(x) == check.shape_text(truth) then kinds.put_restored(some, x, truth, batch) end
      table.move(some, 1, #some, #rows + 1, rows)
    end
  end)
  return rows
end

return trivial
