-- From a row's `samples` to calls: every float tensor in several layouts, with the same values in each.
--
-- In a sample T{2, 3} stands for a random f64 tensor with elements away from 0 and from each other
-- (lo, hi: their range), I{4, max = 3} for positions 1 to 3 (i64), B{2, 3} for truth values, NIL for an
-- absent argument. Else: itself.
local rl = require "rille"

local cases = {}

local Mark = {} -- metatable of what stands for a tensor until the layout is known

local function mark(kind)
  return function(spec)
    local shape = table.move(spec, 1, #spec, 1, {})
    return setmetatable({ kind = kind, shape = shape, lo = spec.lo, hi = spec.hi, max = spec.max }, Mark)
  end
end

local NIL = {}

local function is_mark(v) return getmetatable(v) == Mark end

---The samples' text as a list of argument lists.
---@param text string "{ T{2, 3}, 1 } { T{} }"
function cases.parse(text)
  local parts, depth, from = {}, 0, nil
  for at, c in text:gmatch "()([{}])" do
    depth = depth + (c == "{" and 1 or -1)
    if c == "{" and depth == 1 then from = at end
    if c == "}" and depth == 0 then parts[#parts + 1] = text:sub(from, at) end
  end
  local env = { T = mark "T", I = mark "I", B = mark "B", NIL = NIL, huge = math.huge }
  return assert(load("return { " .. table.concat(parts, ", ") .. " }", "=samples", "t", env))()
end

local function count(shape)
  local n = 1
  for _, s in ipairs(shape) do n = n * s end
  return n
end

local function shuffled(n, seed)
  local order, state = {}, seed * 2654435761 + 12345
  for i = 1, n do order[i] = i end
  for i = n, 2, -1 do
    state = state * 6364136223846793005 + 1442695040888963407
    local j = (state >> 33) % i + 1
    order[i], order[j] = order[j], order[i]
  end
  return order
end

---Values at equal distances, shuffled: no two alike, none near 0.
local function float_values(m, n, seed)
  local values = {}
  for i, k in ipairs(shuffled(n, seed)) do
    local u = (k - 0.37) / n
    if m.lo then
      values[i] = m.lo + (m.hi - m.lo) * u
    else
      values[i] = (k % 2 == 0 and -1 or 1) * (0.3 + 1.4 * u)
    end
  end
  return values
end

local function make_fixed(m, seed)
  local n, values = count(m.shape), {}
  local order = shuffled(n, seed)
  for i = 1, n do
    if m.kind == "I" then values[i] = (order[i] - 1) % m.max + 1 else values[i] = order[i] % 2 == 0 end
  end
  return rl.tensor(values, { dtype = m.kind == "I" and "i64" or "bool" }):reshape(m.shape)
end

-- ---- layouts: the shape of a base tensor for a wanted shape, and the way from base to view

local function reversed(shape)
  local out = {}
  for i = 1, #shape do out[i] = shape[#shape + 1 - i] end
  return out
end

local function with(shape, d, size)
  local out = table.move(shape, 1, #shape, 1, {})
  out[d] = size
  return out
end

local layout = {}
cases.layouts = { "contiguous", "offset", "transposed", "sliced", "expanded", "channels_last" }

function layout.contiguous(shape) return shape, function(x) return x end end

function layout.offset(shape) -- a later part of a larger block
  if #shape == 0 then return end
  return with(shape, 1, shape[1] + 1), function(x) return x:narrow(1, 2, shape[1]) end
end

function layout.transposed(shape) -- memory in the opposite order of dims
  if #shape < 2 then return end
  local order = {}
  for d = 1, #shape do order[d] = #shape + 1 - d end
  return reversed(shape), function(x) return x:permute(order) end
end

function layout.sliced(shape) -- rows with gaps between them
  if #shape == 0 then return end
  return with(shape, #shape, shape[#shape] + 2), function(x) return x:narrow(-1, 2, shape[#shape]) end
end

function layout.expanded(shape) -- one row, seen several times
  if #shape == 0 or shape[1] < 2 then return end
  return with(shape, 1, 1), function(x) return x:expand(shape) end
end

function layout.channels_last(shape)
  if #shape ~= 4 then return end
  return shape, function(x) return x:contiguous { format = "channels_last" } end
end

-- ---- one case

local Case = {}
Case.__index = Case

local function scan(v, visit, place) -- every mark in v, in order
  if is_mark(v) then return visit(v, place) end
  if type(v) ~= "table" or rl.is_tensor(v) then return v end
  local out = {}
  for k, e in pairs(v) do
    if type(k) ~= "number" then out[k] = e end
  end
  for i, e in ipairs(v) do out[i] = scan(e, visit, i) end
  return out
end

---A call of `row` with `sample`, all float tensors laid out as `name` says; nil if no tensor can lie so.
---@return table? case bases: f64 tensors; fixed[i]: no gradient goes to base i
function cases.make(row, sample, name)
  local self = setmetatable({ row = row, count = 0, bases = {}, views = {}, fixed = {}, fresh = {} }, Case)
  local possible, argument = false, 0
  local function visit(m, place) -- place: within a list of tensors
    local seed = #self.bases + 1
    if m.kind ~= "T" then
      local value = make_fixed(m, seed)
      return function() return value end
    end
    local input = row.inputs[math.min(argument, #row.inputs)] or {}
    if input.cycle and place then input = input.cycle[(place - 1) % #input.cycle + 1] end
    -- what is written to must not share its own elements
    local changed = input.in_place or (row.class == "inplace" and seed == 1)
    local shape, view
    if not (changed and name == "expanded") then shape, view = layout[name](m.shape) end
    if shape then possible = true else shape, view = layout.contiguous(m.shape) end
    self.bases[seed] = rl.tensor(float_values(m, count(shape), seed), { dtype = "f64" }):reshape(shape)
    self.views[seed] = view
    self.fixed[seed], self.fresh[seed] = input.fixed or input.in_place, changed
    return function(views) return views[seed] end
  end
  self.args = {}
  for i, v in ipairs(sample) do
    argument, self.count = i, i
    if v ~= NIL then self.args[i] = scan(v, visit) end
  end
  if not possible and name ~= "contiguous" then return nil end
  return self
end

local function fill(v, views)
  if type(v) == "function" then return v(views) end
  if type(v) ~= "table" or rl.is_tensor(v) then return v end
  local out = {}
  for k, e in pairs(v) do out[k] = fill(e, views) end
  return out
end

---The row's outputs for bases of the case's shapes, seen through its layout.
---@param bases table tensors
---@param how? { copy: boolean, call: function } copy: contiguous copies, not views; call: not the row
function Case:call(bases, how)
  how = how or {}
  local views = {}
  for i, x in ipairs(bases) do
    views[i] = self.views[i](x)
    if how.copy then views[i] = views[i]:contiguous():clone() end
    if self.fresh[i] and not how.copy then views[i] = self.views[i](x:clone()) end
  end
  local args = {}
  for i = 1, self.count do args[i] = fill(self.args[i], views) end
  return (how.call or self.row.call)(table.unpack(args, 1, self.count))
end

return cases
