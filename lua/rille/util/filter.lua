-- Filters along one axis of an image as matrices, results x pixels: filtering planes is then two products.

local core = require "rille.core"

local filter = {}

---A filter of 2 r + 1 weights, centred on each pixel.
---@param n integer pixels
---@param weights number[] of odd length
---@param padding string "valid": only where all of it fits, n - 2 r results; with n results: "zero", zeros
---  outside, and "reflect", mirrored at the edge pixels
---@param dtype? string default "f64"
---@return rille.Tensor
function filter.matrix(n, weights, padding, dtype)
  local rows, radius = {}, #weights // 2
  local edge = padding == "valid" and radius or 0
  for centre = 1 + edge, n - edge do
    local row = {}
    for i = 1, n do row[i] = 0 end
    for k = -radius, radius do
      local i = centre + k
      if padding == "reflect" then i = i < 1 and 2 - i or i > n and 2 * n - i or i end
      if i >= 1 and i <= n then row[i] = row[i] + weights[k + radius + 1] end
    end
    rows[#rows + 1] = row
  end
  return core.tensor(rows, { dtype = dtype or "f64" })
end

---The weights exp(-k^2 / (2 sigma^2)) for k = -radius .. radius, summing to 1.
---@param radius integer
---@param sigma number pixels
---@return number[]
function filter.gaussian(radius, sigma)
  local w, sum = {}, 0
  for k = -radius, radius do
    local v = math.exp(-k * k / (2 * sigma * sigma))
    w[#w + 1], sum = v, sum + v
  end
  for k = 1, #w do w[k] = w[k] / sum end
  return w
end

-- Keys' bicubic kernel with its parameter a.
local function bicubic(x, a)
  x = math.abs(x)
  if x < 1 then return ((a + 2) * x - (a + 3)) * x * x + 1 end
  if x < 2 then return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a end
  return 0
end

-- Weights of one result: those pixels the kernel reaches, stretched where the image shrinks, summing to 1.
local function smooth_row(row, centre, scale)
  local stretch, sum = math.max(1, scale), 0
  local first = math.max(0, math.floor(centre - 2 * stretch + 0.5))
  local last = math.min(#row, math.floor(centre + 2 * stretch + 0.5)) - 1
  for i = first, last do
    local v = bicubic((i - centre + 0.5) / stretch, -0.5)
    row[i + 1], sum = v, sum + v
  end
  for i = first, last do row[i + 1] = row[i + 1] / sum end
end

-- Weights of the four nearest pixels; those outside repeat the edge.
local function sharp_row(row, centre)
  local at = centre - 0.5
  local base = math.floor(at)
  for k = -1, 2 do
    local i = math.max(1, math.min(#row, base + k + 1))
    row[i] = row[i] + bicubic(at - base - k, -0.75)
  end
end

---Filter the planes of images.
---@param x rille.Tensor N x C x H x W
---@param rows rille.Tensor H' x H
---@param columns rille.Tensor W' x W
---@return rille.Tensor N x C x H' x W'
function filter.apply(x, rows, columns)
  local s = x.shape
  local planes = core.reshape(x, { s[1] * s[2], s[3], s[4] })
  local y = core.matmul(rows, core.matmul(planes, core.transpose(columns, 1, 2)))
  return core.reshape(y, { s[1], s[2], rows.shape[1], columns.shape[1] })
end

-- The weights of another number of pixels, to x from.
local function resizing(from, to, antialias, dtype)
  local rows, scale = {}, from / to
  for k = 1, to do
    local row = {}
    for i = 1, from do row[i] = 0 end
    local centre = (k - 0.5) * scale
    if antialias then smooth_row(row, centre, scale) else sharp_row(row, centre) end
    rows[k] = row
  end
  return core.tensor(rows, { dtype = dtype })
end

---Images of another size by bicubic interpolation, pixel centres at +0.5 (corners not aligned).
---@param x rille.Tensor N x C x H x W
---@param height integer pixels
---@param width integer pixels
---@param antialias boolean true: the kernel (a = -0.5) widens as the image shrinks, as in image programs;
---  false: four pixels (a = -0.75) whatever the scale
---@return rille.Tensor N x C x height x width
function filter.bicubic(x, height, width, antialias)
  return filter.apply(x, resizing(x.shape[3], height, antialias, x.dtype),
    resizing(x.shape[4], width, antialias, x.dtype))
end

return filter
