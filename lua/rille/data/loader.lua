-- Loaders: batches of a data set, decoded ahead of training by threads of the engine's own.
--
-- A batch is a table: image N x C x H x W (f32, 0 to 1 before normalisation, channels-last in memory);
-- label N (i64, positions in set.classes, 0 where there is none), has_label N (bool), index N (i64, rows of
-- the set); file, a list of N names; where the split has any: mask and saliency N x 1 x H x W (f32; a mask is
-- 0 or 1, a map sums to 1, both are 0 where a row has none), has_mask and has_saliency N (bool). Maps in
-- thirds are N x 3 x H x W; each sums to 1, or is 0 where nobody looked in that third. With fixations = true,
-- fixations: N lists of { x, y, onset, duration, subject }, pixels of the sample (0 <= x < W) and seconds,
-- moved as the image was; those that a crop cut off are left out. With views = { {...}, {...} }, views: that
-- many further pictures of each image, each N x C x H x W like image, cut from the file's own pixels.
local core = require "rille.core"._data
local check = require "rille.util.check"
local raise = require "rille.data.raise"
local views = require "rille.data.views"

---@class rille.Loader
local Loader = {}
Loader.__index = Loader

local DEFAULTS = {
  split = false,     -- "train", "val", "test"; none: all rows
  rows = false,      -- a list of the set's rows: of the split, only these
  batch = 16,
  size = 128,        -- pixels, or { height, width }
  resize = false,    -- pixels: the picture's shorter side gets so many and `size` is cut from it, with
                     -- augment anywhere, else in the middle (torchvision's Resize, RandomCrop, CenterCrop);
                     -- by default the whole picture is squeezed into `size`
  channels = 1,      -- 3: grey is repeated; 1: colour is averaged
  shuffle = false,   -- another order in each epoch, from (seed, epoch)
  balance = false,   -- each class equally often: an epoch is as long, small classes repeat, shuffled;
                     -- rows without a label come once
  drop_last = false, -- leave out a smaller last batch
  augment = false,   -- { flip = 0.5, rotate = 5, crop = 0.1, brightness = 0.1, contrast = 0.1 }; vertical
                     -- flips top to bottom; crop: 1 - crop to 1 of each side is seen, from anywhere or, with
                     -- centred = true, from the middle
  views = false,     -- a list of views' options, see rille.data.views
  seed = 1,
  threads = 2,       -- 0: decode in the calling thread; the batches are the same
  on_bad = "stop",   -- or "skip": unreadable files are left out and listed, up to 1 % (at least one)
  mean = 0, std = 1, -- numbers, or one per channel
  saliency = false,  -- default: the set's; "file": the manifest's maps; from fixations.csv: "fixations" (all
                     -- alike), "duration" (by seconds), "thirds" (three maps, by thirds of the viewing time)
  sigma = false,     -- of maps from fixations, in pixels of the image files; default: the set's, or 1/25 of
                     -- the longer side
  fixations = false, -- true: batches carry them
  cache = 2 ^ 30,    -- bytes of decoded images kept between epochs; 0: none
}
local AUGMENT = { flip = 0, vertical = 0, rotate = 0, crop = 0, centred = false, brightness = 0,
  contrast = 0 }

Loader.SALIENCY = { "file", "fixations", "duration", "thirds" }

local function pair(v) -- height, width
  if type(v) == "table" then return v[1], v[2] or v[1] end
  return v, v
end

local function triple(name, v)
  if type(v) == "number" then return { v, v, v } end
  if type(v) ~= "table" or type(v[1]) ~= "number" then
    error(("data.loader: %s is a number or a list of one per channel"):format(name), 4)
  end
  return { v[1], v[2] or v[1], v[3] or v[1] }
end

function Loader.new(set, opts)
  if type(set) ~= "table" or set.manifest == nil then
    error("data.loader: the first argument is a data set", 3)
  end
  local o = check.options("data.loader", opts, DEFAULTS)
  local a = check.options("data.loader: augment", o.augment or { centred = true }, AUGMENT)
  check.word("data.loader", "on_bad", o.on_bad, { "stop", "skip" })
  if a.flip == true then a.flip = 0.5 end
  local saliency = o.saliency or set.saliency or "file"
  check.word("data.loader", "saliency", saliency, Loader.SALIENCY)
  local height, width = pair(o.size)
  local flat = {
    split = o.split or nil, rows = o.rows or nil, batch = o.batch,
    height = height, width = width, channels = o.channels, resize = o.resize or 0,
    shuffle = o.shuffle, drop_last = o.drop_last, skip_bad = o.on_bad == "skip", threads = o.threads,
    seed = o.seed, cache = o.cache or 0, mean = triple("mean", o.mean), std = triple("std", o.std),
    balance = o.balance, saliency = saliency, sigma = o.sigma or set.sigma or 0,
    views = o.views and views.list(o.views) or nil,
    flip = a.flip, vertical = a.vertical, rotate = a.rotate, crop = a.crop, centred = a.centred,
    brightness = a.brightness, contrast = a.contrast,
  }
  local fixations = (o.fixations or saliency ~= "file") and set:gaze() or nil
  local self = { set = set, handle = raise.at(3, core.loader, set.manifest, flat, fixations),
    shape = { o.channels, height, width }, batch = o.batch, drop_last = o.drop_last,
    fixations = o.fixations }
  self.samples = self.handle:samples()
  return setmetatable(self, Loader)
end

---The next batch, or nil once at the end of each epoch; the call after that begins the next one.
function Loader:next()
  self.resumed = false
  local s = self.shape
  local batch = raise.at(3, self.handle.next, self.handle, s[1], s[2], s[3], self.fixations)
  return batch
end

---Iterate over epoch `e` from its start; right after restore() of a state in epoch `e`, from there on.
---@param e integer by default the one that is due
function Loader:epoch(e)
  local now, index = self.handle:tell()
  e = e or now
  if not (self.resumed and e == now) and (e ~= now or index ~= 0) then self.handle:seek(e, 0) end
  return self.next, self
end

---Where the loader stands, as plain integers: save it, and restore() continues with the very same batches.
---@return { epoch: integer, index: integer }
function Loader:state()
  local epoch, index = self.handle:tell()
  return { epoch = epoch, index = index }
end

---@param state { epoch: integer, index: integer }
function Loader:restore(state)
  self.handle:seek(state.epoch, state.index)
  self.resumed = true
end

---Files that were skipped (on_bad = "skip"): a list of { index, message }.
function Loader:bad() return self.handle:bad() end

---Batches of an epoch, if no file is skipped.
function Loader:__len()
  return self.drop_last and self.samples // self.batch or -(-self.samples // self.batch)
end

function Loader:close() self.handle:close() end
Loader.__close = Loader.close

return Loader
