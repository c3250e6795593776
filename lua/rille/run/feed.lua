-- The data of a run: a folder, or the chest phantom, which is drawn once and kept. Batches come in an order
-- that depends on seed, stage and epoch alone. R.data.labelled = 0.2 or { share, column, seed } keeps the
-- main stream to a share of train (rille.data.shares); R.data.streams = { NAME = { batch, rows } } puts
-- batches of the other rows beside it (rille.run.streams); R.data.merge = { NEW = { "old", "older" } }
-- joins classes; R.data.labels = "findings" reads several labels per image from that column into
-- batch.labels (rille.data.labels); R.data.views = { {...}, {...} } makes batch.views (rille.data.views). A
-- field that is a function is given the options.
local core = require "rille.core"
local files = require "rille.util.files"
local Labels = require "rille.data.labels"
local paths = require "rille.run.paths"
local requests = require "rille.run.requests"
local rl = require "rille"
local shares = require "rille.data.shares"
local Streams = require "rille.run.streams"

local Feed = {}
Feed.__index = Feed

local FIELDS = { "augment", "balance", "classes", "dir", "drop_last", "fixations", "labelled", "labels",
  "leave_out", "mean", "merge", "on_bad", "phantom", "resize", "saliency", "sigma", "std", "streams",
  "threads", "views" }
local EPOCHS_PER_STAGE = 1 << 20 -- so that no two stages see the same order

local function check(recipe)
  for key in pairs(recipe.data) do
    local is_known = false
    for _, name in ipairs(FIELDS) do is_known = is_known or name == key end
    if not is_known then
      error(('recipe: "%s": data: %s'):format(recipe.file, paths.missing(tostring(key), FIELDS)), 0)
    end
  end
  local o = recipe.options
  for _, name in ipairs { "batch", "channels" } do
    if not math.tointeger(o[name]) or o[name] < 1 then
      error(('recipe: "%s": options.%s is %s; it is a whole number from 1 on'):format(recipe.file, name,
        tostring(o[name])), 0)
    end
  end
end

local function height_and_width(size)
  if type(size) == "table" then return size[1], size[2] or size[1] end
  return size, size
end

-- Where a phantom of this kind lies; drawn when it is not there yet. A folder without its mark was cut short.
local function phantom(recipe, o, resize)
  local p = recipe.data.phantom
  local height, width = height_and_width(recipe.options.size)
  local size = p.size or resize or math.max(height, width)
  local cache = os.getenv "XDG_CACHE_HOME"
  local parent = cache and cache ~= "" and cache .. "/rille" or o.out .. "/data"
  local dir = ("%s/phantom-%d-%d-%d-%d-%d"):format(parent, size, p.train, p.val, p.test, p.seed)
  if files.kind(dir .. "/whole") then return dir end
  o.say(("drawing the chest phantom once: %d images of %d pixels into %s"):format(p.train + p.val + p.test,
    size, dir))
  files.make_folder(parent)
  local part = ("%s.part-%d"):format(dir, core.pid())
  rl.data.phantom(part, { train = p.train, val = p.val, test = p.test, size = size, seed = p.seed })
  files.write(part .. "/whole", "drawn\n")
  if not os.rename(part, dir) and not files.kind(dir .. "/whole") then
    error(('data: "%s" cannot be put in place; remove what lies there'):format(dir), 0)
  end
  return dir
end

---R.data, its fields that are functions worked out from the options; false is nothing.
---@param recipe table
---@return table
function Feed.fields(recipe)
  local out = {}
  for key, v in pairs(recipe.data) do
    if type(v) == "function" then v = v(recipe.options) end
    out[key] = v or nil
  end
  return out
end

-- The rows of train that the main stream has, where not all of them, and the streams beside it.
local function divide(self)
  local d, labelled, others = self.data, nil, {}
  if d.labelled then
    labelled, others = shares(self.set, d.labelled, self.seed, self.labels and self.labels.column)
  elseif d.streams then
    labelled, others = shares(self.set, { share = 1 }, self.seed) -- rows without any label are the others
  end
  if not labelled then return end
  self.rows, self.counts.train, self.counts.unlabelled = labelled, #labelled, #others
  if d.streams then
    self.streams = Streams.new(d.streams, { labelled = labelled, unlabelled = others, seed = self.seed,
      open = function(o)
        o.split, o.shuffle = "train", true
        return rl.data.loader(self.set, self:loader_options(o))
      end })
  end
end

---Open the data of a recipe. R.data.resize = 96 cuts `size` out of pictures whose shorter side has 96 pixels
---(rille.data.loader).
---@param recipe table
---@param o { dir: string?, out: string, seed: integer, say: fun(text: string) }
---@return table feed dir, name, classes, counts { train, val, test }
function Feed.open(recipe, o)
  check(recipe)
  local d = Feed.fields(recipe)
  local dir = o.dir or d.dir
  local self = setmetatable({ seed = o.seed, options = recipe.options, data = d, loaders = {},
    counts = {} }, Feed)
  self.name = dir and dir:match("([^/]+)/*$") or "chest phantom"
  self.dir = dir or phantom(recipe, o, d.resize)
  self.set = rl.data.open(self.dir, { classes = d.classes, leave_out = d.leave_out, merge = d.merge,
    saliency = d.saliency, sigma = d.sigma })
  self.classes = self.set.classes
  for _, split in ipairs { "train", "val", "test" } do self.counts[split] = self.set:count(split) end
  if self.counts.train == 0 then
    local cure = "the column split of manifest.csv must say train, val or test"
    error(('data: "%s" has no rows to train on; %s'):format(self.dir, cure), 0)
  end
  if d.labels then
    self.labels = Labels.new(self.set, d.labels)
    self.findings = self.labels.names
  end
  divide(self)
  return self
end

---Tell the options what the data hold: classes (how many), class_names, and findings, the names of labels of
---which an image may have several.
---@param options table
function Feed:describe(options)
  options.classes, options.class_names, options.findings = #self.classes, self.classes, self.findings
end

---@return boolean whether the recipe asks for random changes of images
function Feed:augments()
  local a = self.data.augment
  return a ~= nil and (next(a) ~= nil or self.data.resize ~= nil)
end

-- Where another size than the recipe's is asked for, as much of the picture is to be seen.
local function resize(self, size)
  local all, height, own = self.data.resize, height_and_width(size), height_and_width(self.options.size)
  return all and math.ceil(all * height / own)
end

-- What rl.data.loader is given, for options of a kind of batches.
function Feed:loader_options(o)
  local d = self.data
  local size = o.size or self.options.size
  return { split = o.split, rows = o.rows, batch = o.batch, size = size, resize = resize(self, size),
    channels = o.channels or self.options.channels, shuffle = o.shuffle or false, augment = o.augment,
    seed = o.seed or self.seed, threads = d.threads, on_bad = d.on_bad, mean = d.mean, std = d.std,
    drop_last = o.drop_last or false, balance = o.balance or false,
    fixations = o.fixations or d.fixations, views = d.views }
end

local function loader(self, split, o)
  local key = ("%s %d %s %s %s %s"):format(split, o.batch, tostring(o.shuffle), tostring(o.augment),
    tostring(o.size), tostring(o.fixations))
  if not self.loaders[key] then
    local d = self.data
    self.loaders[key] = rl.data.loader(self.set, self:loader_options {
      split = split, rows = split == "train" and self.rows or nil, batch = o.batch, size = o.size,
      channels = o.channels, shuffle = o.shuffle, augment = o.augment and d.augment or nil,
      drop_last = o.shuffle and d.drop_last, balance = o.shuffle and d.balance, fixations = o.fixations })
  end
  return self.loaders[key]
end

-- Maps by thirds of the viewing time go to batch.thirds; what is scored and shown is their mean.
local function mark(self, batch, split, epoch)
  batch.split, batch.seed, batch.epoch = split, self.seed, epoch
  if self.labels then self.labels:put(batch) end
  if batch.saliency and batch.saliency.shape[2] > 1 then
    local mean = batch.saliency:sum { dim = { 2 }, keepdim = true }
    local mass = mean:sum { dim = { 3, 4 }, keepdim = true }
    batch.thirds, batch.saliency = batch.saliency, mean / mass:clamp { min = 1 }
  end
  return batch
end

---Batches of an epoch of training, shuffled, from a place on.
---@param split string
---@param o { batch: integer, stage: integer, epoch: integer, cursor: integer, augment: boolean }
---@return fun(): table? iterator of batches; each has `cursor`, where to go on behind it;
---  `split`, `seed`, and `epoch`, which no two epochs of a run share
function Feed:batches(split, o)
  local l = loader(self, split, { batch = o.batch, shuffle = true, augment = o.augment })
  local first, at = (o.stage - 1) * EPOCHS_PER_STAGE, o.cursor
  local epoch, before = first + o.epoch, (o.epoch - 1) * self:steps(split, o.batch)
  l:restore { epoch = epoch, index = o.cursor }
  local next_batch = l:epoch(epoch)
  return function()
    local batch = next_batch(l)
    if not batch then return nil end
    mark(self, batch, split, epoch)
    if self.streams then
      self.streams:add(batch, { first = first + 1, step = before + at // o.batch,
        augment = o.augment and self.data.augment or nil })
    end
    local now = l:state()
    at = now.index
    batch.cursor, batch.is_last = now.index, now.epoch ~= epoch or now.index >= l.samples
    return batch
  end
end

---Batches in the manifest's order, unchanged, their `epoch` 0: for validation, tests and caches. The iterator
---raises requests.ASKED between two batches when a signal came.
---@param split string
---@param batch integer
---@param size? integer|integer[] other than the recipe's
---@param channels? integer
---@param has_fixations? boolean batches carry the fixations, where the set has them
---@return fun(): table? iterator
function Feed:fixed(split, batch, size, channels, has_fixations)
  local l = loader(self, split, { batch = batch, size = size, channels = channels,
    fixations = has_fixations and self.set:has_fixations() or nil })
  l:restore { epoch = 1, index = 0 }
  local next_batch = l:epoch(1)
  return function()
    requests.check()
    local b = next_batch(l)
    return b and mark(self, b, split, 0)
  end
end

---Rows per class of what training reads of a split, as rille.Set:class_counts.
---@param split string
---@return integer[]
function Feed:class_counts(split)
  if split ~= "train" or not self.rows then return self.set:class_counts(split) end
  local counts = {}
  for k = 1, #self.classes do counts[k] = 0 end
  for _, i in ipairs(self.rows) do
    local _, class = self.set:row(i)
    if class then counts[class] = counts[class] + 1 end
  end
  return counts
end

---Steps of an epoch.
---@param split string
---@param batch integer
---@return integer
function Feed:steps(split, batch)
  local n = self.counts[split]
  if self.data.drop_last then return math.max(1, n // batch) end
  return -(-n // batch)
end

return Feed
