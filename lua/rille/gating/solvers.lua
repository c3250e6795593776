-- Small convex problems on the Gram matrix of K losses, in f64: quadratic programs by active sets, and the
-- balance of fairness. They are exact up to rounding; gradients are brought to unit length first, so that
-- their scales do not matter.

local linear = require "rille.gating.linear"

local solvers = {}

local RIDGE = 1e-13 -- of the unit diagonal: parallel and opposite gradients still give one answer

-- The minimum of x'Qx/2 + c'x over the places of `set` alone, with a'x = 1 if there is an a.
local function stationary(Q, c, a, set)
  local A, b, n = {}, {}, #set
  for r, i in ipairs(set) do
    A[r] = {}
    for s, j in ipairs(set) do A[r][s] = Q[i][j] end
    A[r][r], b[r] = A[r][r] + RIDGE, -c[i]
    if a then A[r][n + 1] = a[i] end
  end
  if a then
    A[n + 1], b[n + 1] = {}, 1
    for s, j in ipairs(set) do A[n + 1][s] = a[j] end
    A[n + 1][n + 1] = 0
  end
  return linear.solve(A, b)
end

-- From x as far towards z as signs allow; places that come to 0 leave the set. True when z is reached.
local function go(x, z, set)
  local part, last = 1, nil
  for r, i in ipairs(set) do
    local reach = z[r] > 0 and 2 or x[i] > 0 and x[i] / (x[i] - z[r]) or 0
    if reach <= part then part, last = reach, r end
  end
  for r, i in ipairs(set) do x[i] = x[i] + part * (z[r] - x[i]) end
  if not last then return true end
  x[set[last]] = 0
  table.remove(set, last)
  return false
end

-- The place outside the set whose growth gains most; nil when none does: x is the answer.
local function entering(Q, c, a, x, is_in)
  local slope, scale, level = linear.times(Q, x), 0, 0
  for k = 1, #x do
    scale = math.max(scale, math.abs(slope[k]), math.abs(c[k]))
    slope[k] = slope[k] + c[k]
  end
  if a then level = linear.dot(slope, x) end
  local best, place = -1e-12 * scale, nil
  for k = 1, #x do
    local gain = slope[k] - (a and level * a[k] or 0)
    if not is_in[k] and gain < best then best, place = gain, k end
  end
  return place
end

local function start(Q, c, a)
  local x, set, best = linear.full(#Q, 0), {}, nil
  if not a then return x, set end
  for k = 1, #Q do -- the best vertex of a'x = 1
    local value = Q[k][k] / a[k] ^ 2 / 2 + c[k] / a[k]
    if not best or value < best then best, set[1] = value, k end
  end
  x[set[1]] = 1 / a[set[1]]
  return x, set
end

---The minimum of x'Qx/2 + c'x over x >= 0, and over sum of x = 1 if `sums_to_one`: a primal active-set
---method, finite since each set is met once. Q is symmetric and has no negative eigenvalue.
---@param Q number[][]
---@param c? number[] default zeros
---@param sums_to_one? boolean
---@return number[] x
function solvers.quadratic(Q, c, sums_to_one)
  local C, norms = linear.unit(Q)
  local cs, a = {}, sums_to_one and {} or nil
  for k = 1, #Q do
    cs[k] = c and c[k] / norms[k] or 0
    if a then a[k] = 1 / norms[k] end
  end
  local x, set = start(C, cs, a)
  for _ = 1, 20 * #Q + 20 do
    local is_in = {}
    for _, i in ipairs(set) do is_in[i] = true end
    local place = entering(C, cs, a, x, is_in)
    if not place then break end
    set[#set + 1] = place
    while #set > 0 and not go(x, stationary(C, cs, a, set), set) do end -- each round drops one place
  end
  for k = 1, #x do x[k] = x[k] / norms[k] end
  return x
end

-- Value and slopes of b'Cb/2 - sum of w_k phi(b_k), phi' = b^-p.
local function unfairness(C, b, w, p)
  local Cb, value, slope = linear.times(C, b), 0, {}
  for k = 1, #b do
    local phi = p == 1 and math.log(b[k]) or b[k] ^ (1 - p) / (1 - p)
    value = value + b[k] * Cb[k] / 2 - w[k] * phi
    slope[k] = Cb[k] - w[k] * b[k] ^ -p
  end
  return value, slope
end

local function newton_step(C, b, w, p, slope)
  local H, down = {}, {}
  for k = 1, #b do
    H[k] = { table.unpack(C[k]) }
    H[k][k] = H[k][k] + w[k] * p * b[k] ^ (-p - 1)
    down[k] = -slope[k]
  end
  return linear.solve(H, down)
end

local function moved(b, step, part)
  local out = {}
  for k = 1, #b do
    out[k] = b[k] + part * step[k]
    if out[k] <= 0 then return nil end
  end
  return out
end

-- Half the step until the value falls.
local function descend(C, b, w, p, value, slope, step)
  local fall, part = linear.dot(slope, step), 1
  while part > 1e-12 do
    local next_b = moved(b, step, part)
    if next_b and unfairness(C, next_b, w, p) <= value + 1e-4 * part * fall then return next_b end
    part = part / 2
  end
end

---a > 0 with M a = a^(-p): the point of Nash's bargaining for p = 1, of alpha-fairness for p = 1/alpha.
---Newton's method on the convex a'Ma/2 - sum of the primitive of a^-p.
---@param M number[][]
---@param p number
---@return number[] a
function solvers.fair(M, p)
  local C, norms = linear.unit(M)
  local w, b = {}, {}
  for k = 1, #M do
    w[k] = norms[k] ^ (p - 1)
    b[k] = w[k] ^ (1 / (1 + p))
    C[k][k] = C[k][k] + RIDGE
  end
  for _ = 1, 200 do
    local value, slope = unfairness(C, b, w, p)
    local is_there = true
    for k = 1, #b do is_there = is_there and math.abs(slope[k]) <= 1e-14 * w[k] * b[k] ^ -p end
    if is_there then break end
    local further = descend(C, b, w, p, value, slope, newton_step(C, b, w, p, slope))
    if not further then break end -- no digit is left to gain
    b = further
  end
  for k = 1, #b do b[k] = b[k] / norms[k] end
  return b
end

return solvers
