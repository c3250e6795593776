-- Random views of an image for self-supervised training: how each is drawn, and a look at single draws.
local core = require "rille.core"._data
local check = require "rille.util.check"

local views = {}

local DEFAULTS = {
  crop = { 0.08, 1 },      -- random resized crop, bicubic: the share of the image's area, from and to
  ratio = { 3 / 4, 4 / 3 }, -- its width / height
  flip = 0.5,              -- probability of a mirror image
  rotate = 0,              -- degrees, at most, either way; what a turn brings in repeats the edge
  jitter = 0,              -- probability of the colour jitter: the next four, in a random order
  brightness = 0, contrast = 0, saturation = 0, -- factors max(0, 1 - v) to 1 + v
  hue = 0,                 -- turns of the colour circle, either way
  grayscale = 0,           -- probability
  blur = 0,                -- probability of a Gaussian blur
  sigma = { 0.1, 2 },      -- of the blur, pixels of the view
  kernel = 23,             -- its taps
  solarize = 0,            -- probability that values from the threshold on are turned to 1 - value
  threshold = 128 / 255,
}

local function pair(v) return type(v) == "number" and { v, v } or v end

---One view's options, checked and complete: those of torchvision's RandomResizedCrop, RandomHorizontalFlip,
---RandomRotation, ColorJitter, RandomGrayscale, GaussianBlur and RandomSolarize, applied in this order. On
---grey images saturation, hue and grayscale have no effect.
---@param opts? table
---@return table
function views.options(opts)
  local o = check.options("views", opts, DEFAULTS)
  for _, name in ipairs { "crop", "ratio", "sigma" } do o[name] = pair(o[name]) end
  return o
end

---A list of views' options, checked and complete.
---@param list table[]
---@return table[]
function views.list(list)
  if type(list) ~= "table" or #list == 0 then
    error("views: takes a list with a table per view, as { { flip = 0.5 }, { flip = 0.5 } }", 3)
  end
  local out = {}
  for k, one in ipairs(list) do out[k] = views.options(one) end
  return out
end

---What a loader with this seed draws for an image: { x, y, width, height (the crop, pixels of the file),
---flip, angle (radians), order (of the jitters; empty: none), brightness, contrast, saturation, hue,
---grayscale, sigma (0: no blur), kernel, solarize, threshold }. The draw depends on these arguments alone.
---@param opts table one view's options
---@param at { seed: integer, epoch: integer, index: integer, view: integer, width: integer,
---  height: integer } index: row of the set; width, height of the image file
---@return table draw
function views.draw(opts, at)
  local a = check.options("views.draw", at, { seed = 1, epoch = 1, index = 1, view = 1, width = check.none,
    height = check.none })
  return core.view_draw(views.options(opts), a.seed, a.epoch, a.index, a.view, a.width, a.height)
end

---What a draw makes of an image.
---@param image rille.Tensor u8 1 x H x W or 3 x H x W
---@param draw table of views.draw
---@param size integer|integer[] pixels, or { height, width }
---@param channels? integer default: the image's
---@return rille.Tensor f32 1 x channels x height x width, 0 to 1
function views.apply(image, draw, size, channels)
  local height, width = size, size
  if type(size) == "table" then height, width = size[1], size[2] or size[1] end
  return core.view_apply(image, draw, height, width, channels or image.shape[1])
end

return views
