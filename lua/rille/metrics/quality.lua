-- How near a restored image is to the clean one, image by image: PSNR and SSIM, also inside or outside a
-- mask.

local core = require "rille.core"
local check = require "rille.util.check"
local filter = require "rille.util.filter"
local images = require "rille.metrics.images"

local quality = {}

local NONE = check.none

local function check_range(who, o)
  if o.data_range == nil then error(who .. ": say data_range, 1 for images in [0, 1]", 3) end
  check.number(who, "data_range", o.data_range, 1e-300)
  check.boolean(who, "outside", o.outside)
end

-- The weights of pixels, N x 1 x H x W of 0 and 1: all, those of the mask, or the others.
local function weights(who, o, x)
  local s = x.shape
  local shape = { s[1], 1, s[3], s[4] }
  if o.mask == nil then return core.ones(shape, { dtype = "f64" }) end
  if not core.is_tensor(o.mask) or o.mask:numel() ~= s[1] * s[3] * s[4] then
    error(("%s: the mask of images %s is one of %s"):format(who, check.shape_text(s),
      check.shape_text(shape)), 3)
  end
  local m = core.reshape(images.foreground(o.mask), shape)
  return o.outside and 1 - m or m
end

local function cropped(x, by)
  for _, d in ipairs { 3, 4 } do x = core.narrow(x, d, by + 1, x.shape[d] - 2 * by) end
  return x
end

-- Per image the mean over channels and weighted pixels; NaN where nothing has weight.
local function mean_of(values, weight)
  local sum = (values * weight):sum({ -3, -2, -1 })
  return (sum / (weight:sum({ -3, -2, -1 }) * values.shape[2])):tolist()
end

local RANK4 = "N x C x H x W"

---PSNR in dB per image: 10 log10(R^2/MSE), R = `data_range` as given, the MSE over all channels and pixels,
---or over those inside (`outside = true`: outside) the mask. Nothing is clipped; average dB, not errors.
---Undefined (false): equal images, whose PSNR is infinite, and masks without pixels.
---@param x rille.Tensor N x C x H x W
---@param y rille.Tensor of that shape
---@param opts { data_range: number, mask: rille.Tensor?, outside: boolean?, crop: integer? } mask: N x 1 x
---  H x W or N x H x W, bool, integers (not 0) or floats (> 0.5); crop: border pixels left out, default 0
---@return (number|false)[] per image
function quality.psnr(x, y, opts)
  local who = "metrics.psnr"
  images.same_shape(who, x, y, 4, RANK4)
  local o = check.options(who, opts, { data_range = NONE, mask = NONE, outside = false, crop = 0 })
  check_range(who, o)
  check.integer(who, "crop", o.crop, 0, (math.min(x.shape[3], x.shape[4]) - 1) // 2)
  local w, d = weights(who, o, x), x:detach():to("f64") - y:detach():to("f64")
  local out = mean_of(cropped(d * d, o.crop), cropped(w, o.crop))
  for i, mse in ipairs(out) do
    out[i] = mse > 0 and 10 * math.log(o.data_range ^ 2 / mse, 10)
  end
  return out
end

local RADIUS = 5
local WINDOW = filter.gaussian(RADIUS, 1.5)
local AT_ONCE = 1 << 20 -- pixels filtered together, about: four pictures of them are held

-- The index at every pixel. x, y: planes x H x W; rows, columns: the windows along H and W
local function ssim_map(x, y, rows, columns, R)
  local n, across = x.shape[1], core.transpose(columns, 1, 2)
  local m = core.matmul(rows, core.matmul(core.cat({ x, y, x * x + y * y, x * y }, 1), across))
  local function part(k) return core.narrow(m, 1, k * n + 1, n) end
  local c1, c2 = (0.01 * R) ^ 2, (0.03 * R) ^ 2
  local mx, my = part(0), part(1)
  local both, product = mx * mx + my * my, mx * my
  return (product * 2 + c1) * ((part(3) - product) * 2 + c2) / ((both + c1) * (part(2) - both + c2))
end

local function check_size(who, s, padding)
  local least = padding == "valid" and 2 * RADIUS + 1 or padding == "reflect" and RADIUS + 1 or 1
  if math.min(s[3], s[4]) < least then
    error(('%s: images of %dx%d, padding "%s" needs %d pixels each way; take padding = "zero"'):format(who,
      s[3], s[4], padding, least), 3)
  end
end

---SSIM per image: the mean over pixels, then channels, of
---(2 mu_x mu_y + c1)(2 s_xy + c2)/((mu_x^2 + mu_y^2 + c1)(s_x^2 + s_y^2 + c2)), c1 = (0.01 R)^2,
---c2 = (0.03 R)^2, R = `data_range`; means, population variances and covariance by a Gaussian window of
---11 x 11, sigma 1.5, weights summing to 1. `padding`: "valid", only where the window fits; "zero", zeros
---outside and every pixel; "reflect", mirrored and every pixel. With a mask the mean runs over the pixels
---inside (`outside = true`: outside) it, whose windows reach across its edge.
---Undefined (false): masks without pixels. Two equal images have 1.
---Source: Wang et al. 2004, IEEE Transactions on Image Processing 13.
---@param x rille.Tensor N x C x H x W
---@param y rille.Tensor of that shape
---@param opts { data_range: number, padding: string?, mask: rille.Tensor?, outside: boolean? } padding
---  default "valid"
---@return (number|false)[] per image
function quality.ssim(x, y, opts)
  local who = "metrics.ssim"
  images.same_shape(who, x, y, 4, RANK4)
  local o = check.options(who, opts, { data_range = NONE, mask = NONE, outside = false, padding = "valid" })
  check_range(who, o)
  check.word(who, "padding", o.padding, { "valid", "zero", "reflect" })
  local s = x.shape
  check_size(who, s, o.padding)
  local w = weights(who, o, x)
  if o.padding == "valid" then w = cropped(w, RADIUS) end
  local rows, columns = filter.matrix(s[3], WINDOW, o.padding), filter.matrix(s[4], WINDOW, o.padding)
  local out, step = {}, math.max(1, AT_ONCE // (s[2] * s[3] * s[4]))
  for first = 1, s[1], step do
    local n = math.min(step, s[1] - first + 1)
    local function planes(t)
      return core.reshape(core.narrow(t, 1, first, n):detach():to("f64"), { n * s[2], s[3], s[4] })
    end
    local map = ssim_map(planes(x), planes(y), rows, columns, o.data_range)
    local by_channel = core.reshape(map, { n, s[2], map.shape[2], map.shape[3] })
    for _, v in ipairs(mean_of(by_channel, core.narrow(w, 1, first, n))) do out[#out + 1] = v == v and v end
  end
  return out
end

return quality
