-- Lists out of what the user gave: tensors or tables.

local core = require "rille.core"

local values = {}

---@param who string
---@param x rille.Tensor|table a list of numbers, a tensor of any shape
---@return any[] flat list
function values.flat(who, x)
  if core.is_tensor(x) then return core.reshape(x, { x:numel() }):tolist() end
  if type(x) ~= "table" then error(("%s: takes a list or a tensor, not %s"):format(who, tostring(x)), 3) end
  return x
end

---@param who string
---@param x rille.Tensor|number[][] N x K
---@return number[][]
function values.rows(who, x)
  if core.is_tensor(x) then
    if #x.shape ~= 2 then
      error(("%s: takes N x K scores, not %s"):format(who, table.concat(x.shape, "x")), 3)
    end
    return x:tolist()
  end
  if type(x) ~= "table" or (x[1] ~= nil and type(x[1]) ~= "table") then
    error(who .. ": takes a list of rows, one score per class", 3)
  end
  return x
end

function values.same_length(who, a, b)
  if #a ~= #b then error(("%s: %d values against %d"):format(who, #a, #b), 3) end
end

---A list of booleans from booleans or numbers 0 and 1.
function values.positives(who, x)
  local out = {}
  for i, v in ipairs(values.flat(who, x)) do
    if v ~= true and v ~= false and v ~= 0 and v ~= 1 then
      error(("%s: label %d is %s; labels of two classes are true and false, or 1 and 0"):format(who, i,
        tostring(v)), 3)
    end
    out[i] = v == true or v == 1
  end
  return out
end

---Scores and who is positive, of equal length.
---@return number[] scores, boolean[] positive
function values.two_classes(who, scores, labels)
  local s, positive = values.flat(who, scores), values.positives(who, labels)
  if #s ~= #positive then error(("%s: %d values against %d"):format(who, #s, #positive), 3) end
  return s, positive
end

---@return string? fault which score is NaN, if one is
function values.not_numbers(scores)
  for i, s in ipairs(scores) do
    if s ~= s then return ("score %d is not a number"):format(i) end
  end
end

---a[i] - b[i] where both are defined (neither false nor NaN), and how many pairs were left out.
---@return number[] differences, integer undefined
function values.differences(who, a, b)
  if #a ~= #b then error(("%s: %d values against %d"):format(who, #a, #b), 3) end
  local d = {}
  for i = 1, #a do
    local v = a[i] and b[i] and a[i] - b[i]
    if v and v == v then d[#d + 1] = v end
  end
  return d, #a - #d
end

---@param list number[] not empty
---@return number
function values.mean(list)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + v end
  return sum / #list
end

---Linear interpolation between order statistics, as numpy's percentile does.
---@param sorted number[] rising, not empty
---@param q number in [0, 1]
---@return number
function values.quantile(sorted, q)
  local at = 1 + q * (#sorted - 1)
  local i = math.floor(at)
  local next_one = sorted[math.min(i + 1, #sorted)]
  return next_one == sorted[i] and next_one or sorted[i] + (at - i) * (next_one - sorted[i])
end

---Labels that are whole numbers in 1 .. classes.
function values.labels(who, x, classes)
  local out = {}
  for i, v in ipairs(values.flat(who, x)) do
    local k = math.tointeger(v)
    if not k or k < 1 or k > classes then
      error(("%s: label %d is %s; labels are 1 to %d"):format(who, i, tostring(v), classes), 3)
    end
    out[i] = k
  end
  return out
end

return values
