-- What the metrics of images share: shapes, f64, masks, and pixels by their place.

local core = require "rille.core"
local check = require "rille.util.check"

local images = {}

---Raises unless both are tensors of one shape, images first.
---@param rank integer the least
---@param takes string what the shapes are called
---@param level? integer at which to raise; default 3, the caller of the caller
function images.same_shape(who, x, y, rank, takes, level)
  level = level or 3
  for _, t in ipairs { x, y } do
    if not core.is_tensor(t) or #t.shape < rank then
      error(("%s: takes tensors %s"):format(who, takes), level)
    end
  end
  if check.shape_text(x) ~= check.shape_text(y) then
    error(("%s: %s against %s; resize the prediction first"):format(who, check.shape_text(x),
      check.shape_text(y)), level)
  end
end

---@param x rille.Tensor N x ...
---@return rille.Tensor N x pixels, f64, without a graph
function images.flat(x)
  local pixels = 1
  for d = 2, #x.shape do pixels = pixels * x.shape[d] end
  return core.reshape(x:detach():to("f64"), { x.shape[1], pixels })
end

---Both as N x pixels in f64.
function images.pair(who, x, y)
  images.same_shape(who, x, y, 2, "N x 1 x H x W or N x H x W", 4)
  return images.flat(x), images.flat(y)
end

---Entries that are NaN, or where `condition` holds, become false.
function images.undefined_where(list, condition)
  for i, bad in ipairs(condition) do
    if bad or list[i] ~= list[i] then list[i] = false end
  end
  return list
end

---Each row divided by its sum; and which rows have none.
---@param x rille.Tensor N x pixels
---@return rille.Tensor density, boolean[] bad
function images.density(x)
  local sum, bad = core.sum(x, { dim = -1, keepdim = true }), {}
  for i, s in ipairs(core.reshape(sum, { -1 }):tolist()) do bad[i] = s ~= s or s <= 0 end
  return x / sum, bad
end

---A mask as 0 and 1 in f64: what is true, a whole number other than 0, or a float above the threshold.
---@param mask rille.Tensor any shape
---@param threshold? number default 0.5
---@return rille.Tensor of the same shape
function images.foreground(mask, threshold)
  local m = mask:detach()
  if m.dtype == "f32" or m.dtype == "f64" then return m:gt(threshold or 0.5):to("f64") end
  return m:to("f64"):ne(0):to("f64")
end

---Where a row holds 1 among zeros.
---@param row rille.Tensor pixels, 0 or 1
---@return rille.Tensor places i64 from 1, rising
function images.places(row)
  local _, places = core.topk(row, math.tointeger(row:sum():item()), -1)
  return places
end

return images
