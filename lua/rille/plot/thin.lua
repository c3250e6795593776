-- Which points of a long series are worth drawing: per pixel column the first, lowest, highest and last one.
-- The drawn line covers the same pixels as the full one would, so that no spike is lost.

local thin = {}

---Whether a value can be placed on an axis: no NaN, and so far from the limits of doubles that the width of a
---range, with air around it, is a number too.
---@param v number
---@return boolean
function thin.is_drawable(v) return v > -1e300 and v < 1e300 end

---Choose the points to draw.
---@param x number[] ascending
---@param y number[]
---@param column_of fun(x: number): integer the pixel column of a position
---@param is_drawable? fun(x: number, y: number): boolean more that a point must fulfil
---@return (integer|false)[] positions in order; false where a value interrupts the line
function thin.pick(x, y, column_of, is_drawable)
  local keep, column = {}, nil
  local first, low, high, last
  local function flush()
    if not first then return end
    local picks, before = { first, low, high, last }, nil
    table.sort(picks)
    for _, i in ipairs(picks) do
      if i ~= before then keep[#keep + 1] = i end
      before = i
    end
    first = nil
  end
  for i = 1, #y do
    local a, b = x[i], y[i]
    if not (thin.is_drawable(a) and thin.is_drawable(b)) or is_drawable and not is_drawable(a, b) then
      flush()
      if keep[#keep] then keep[#keep + 1] = false end
    else
      local c = column_of(a)
      if not first or c ~= column then
        flush()
        first, low, high, column = i, i, i, c
      elseif b < y[low] then
        low = i
      elseif b > y[high] then
        high = i
      end
      last = i
    end
  end
  flush()
  return keep
end

return thin
