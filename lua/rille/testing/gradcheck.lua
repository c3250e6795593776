-- Are an op's gradients those of its values? Backward against four-point central differences, in f64.
local rl = require "rille"

-- Steps of 2^-10 at +-1 and +-2: the method's error is h^4/30 of the fifth derivative, rounding adds about
-- 2e-13 of the value, so that 1e-7 parts right from wrong for all but wild functions.
local H = 2.0 ^ -10
local TOLERANCE = 1e-7
local TOLERANCE_F32 = 5e-3 -- rounding an f32 output to 6e-8 leaves this much after division by H
local FULL, DIRECTIONS = 64, 6

---A stream of numbers of its own, so that checking draws nothing from the session's.
local function stream(seed)
  local state = seed * 2862933555777941757 + 3037000493
  return function() -- uniform in (-1, 1), never near 0
    state = state * 6364136223846793005 + 1442695040888963407
    local u = (state >> 11) * 2.0 ^ -53
    return (u < 0.5 and -1 or 1) * (0.25 + 0.75 * math.abs(2 * u - 1))
  end
end

local function random_like(x, draw)
  local values = {}
  for i = 1, x:numel() do values[i] = draw() end
  return rl.tensor(values, { dtype = x.dtype }):reshape(x.shape)
end

local function is_checked(x) return rl.is_tensor(x) and x.dtype == "f64" end

---f's float outputs, each times a fixed random tensor, summed: one number whose gradient shows them all.
local function projection(f, state)
  local weights
  return function(inputs)
    rl.random_state(state) -- stochastic ops draw the same numbers every time
    local outputs, total = table.pack(f(table.unpack(inputs, 1, inputs.n))), nil
    local draw, coarse = stream(7), false
    weights = weights or {}
    for o = 1, outputs.n do
      local y = outputs[o]
      if rl.is_tensor(y) and (y.dtype == "f64" or y.dtype == "f32") then
        weights[o] = weights[o] or random_like(y, draw)
        coarse = coarse or y.dtype == "f32"
        local part = (y * weights[o]):sum():double()
        total = total and total + part or part
      end
    end
    if not total then error("gradcheck: the function returns no float tensor", 0) end
    return total, coarse
  end
end

local function place(x, i) -- the i-th element as "{2, 3}"
  local at, shape = {}, x.shape
  i = i - 1
  for d = #shape, 1, -1 do
    at[d] = i % shape[d] + 1
    i = i // shape[d]
  end
  return "{" .. table.concat(at, ", ") .. "}"
end

---The derivative of `value` (a function of nothing) as `x` moves by t * direction.
local function difference(value, x, direction)
  local base, sum = x:clone(), 0
  for _, p in ipairs { { 1, 8 }, { -1, -8 }, { 2, -1 }, { -2, 1 } } do
    x:copy_(base):add_(direction, { alpha = p[1] * H })
    sum = sum + p[2] * value()
  end
  x:copy_(base)
  return sum / (12 * H)
end

local function compare(input, where, got, want, tolerance)
  local off = math.abs(got - want)
  if off <= tolerance * math.max(1, math.abs(want)) then return end
  local text = "gradcheck: input %d, %s: backward gives %.12g, differences %.12g"
  error(text:format(input, where, got, want), 0)
end

local function check_elements(value, k, x, gradient, tolerance)
  local flat, list = x:reshape { -1 }, gradient:reshape({ -1 }):tolist()
  for i = 1, x:numel() do
    local direction = rl.zeros({ x:numel() }, { dtype = "f64" })
    direction[i] = 1
    compare(k, "element " .. place(x, i), list[i], difference(value, flat, direction), tolerance)
  end
end

local function check_directions(value, k, x, gradient, tolerance)
  local draw = stream(k)
  for i = 1, DIRECTIONS do
    local direction = random_like(x, draw)
    direction = direction / direction:norm():item()
    local got = (gradient * direction):sum():item()
    compare(k, "random direction " .. i, got, difference(value, x, direction), tolerance)
  end
end

---Compare the gradients that backward gives with differences of the values.
---
---Every f64 input is checked: all elements up to 64, six random directions above. The outputs are
---multiplied by a fixed random tensor and summed. Inputs are copied first: views and `expand` belong
---inside `f`.
---Raises: "gradcheck: input 2, element {1, 3}: backward gives ..., differences ..." at the first.
---@param f fun(...): ... tensors in, tensors out; may ignore or pass on inputs that are no tensors
---@param inputs any[] `n` counts them if some are nil
---@param opts? { tolerance: number, fixed: table<integer, boolean> } relative above 1, 1e-7; inputs to skip
---@return boolean true
local function gradcheck(f, inputs, opts)
  opts = opts or {}
  local n = inputs.n or #inputs
  local leaves, plain, places = { n = n }, { n = n }, {}
  for i = 1, n do
    leaves[i], plain[i] = inputs[i], inputs[i]
    if is_checked(inputs[i]) and not (opts.fixed and opts.fixed[i]) then
      plain[i] = inputs[i]:detach():contiguous():clone()
      leaves[i] = plain[i]:clone():requires_grad_()
      places[#places + 1] = i
    end
  end
  local total = projection(f, rl.random_state())
  local loss, coarse = total(leaves)
  local wanted = {}
  for j, i in ipairs(places) do wanted[j] = leaves[i] end
  local gradients = rl.grad(loss, wanted)
  local tolerance = math.max(opts.tolerance or TOLERANCE, coarse and TOLERANCE_F32 or 0)
  local function value() return (total(plain):item()) end
  rl.no_grad(function()
    for j, i in ipairs(places) do
      local check = plain[i]:numel() <= FULL and check_elements or check_directions
      check(value, i, plain[i], gradients[j], tolerance)
    end
  end)
  return true
end

return gradcheck
