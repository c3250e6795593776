-- Student's t distribution, by the incomplete beta function: its continued fraction (DLMF 8.17.22) by the
-- modified Lentz method, ln gamma by Lanczos' series (g = 7, nine terms). About 13 digits, also far out.

local student = {}

local LANCZOS = { 0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7 }

local function ln_gamma(x) -- x > 0
  if x < 0.5 then return math.log(math.pi / math.sin(math.pi * x)) - ln_gamma(1 - x) end
  local sum, t = LANCZOS[1], x + 6.5
  for k = 2, #LANCZOS do sum = sum + LANCZOS[k] / (x + k - 2) end
  return 0.5 * math.log(2 * math.pi) + (x - 0.5) * math.log(t) - t + math.log(sum)
end

local TINY, ENOUGH, MOST = 1e-300, 1e-16, 20000

local function away_from_zero(v) return math.abs(v) < TINY and TINY or v end

local function fraction(x, a, b)
  local c, d = 1, 1 / away_from_zero(1 - (a + b) * x / (a + 1))
  local f = d
  for m = 1, MOST do
    local even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    d, c = 1 / away_from_zero(1 + even * d), away_from_zero(1 + even / c)
    f = f * c * d
    local odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    d, c = 1 / away_from_zero(1 + odd * d), away_from_zero(1 + odd / c)
    f = f * c * d
    if math.abs(c * d - 1) < ENOUGH then break end
  end
  return f
end

-- I_x(a, b), with y = 1 - x given as well: near 1 the difference would lose its digits.
local function incomplete_beta(x, y, a, b)
  if x <= 0 then return 0 elseif y <= 0 then return 1 end
  if x > (a + 1) / (a + b + 2) then return 1 - incomplete_beta(y, x, b, a) end
  local front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * math.log(x) + b * math.log(y)
  return math.exp(front) * fraction(x, a, b) / a
end

---P(T > t) for `degrees` degrees of freedom.
---@param t number
---@param degrees number > 0
---@return number p
function student.above(t, degrees)
  if t ~= t then return t end
  if t == math.huge then return 0 elseif t == -math.huge then return 1 end
  local square = t * t
  local p = 0.5 * incomplete_beta(degrees / (degrees + square), square / (degrees + square), degrees / 2, 0.5)
  return t > 0 and p or 1 - p
end

---The t with P(T > t) = p, by halving the bracket.
---@param p number in (0, 1)
---@param degrees number > 0
---@return number t
function student.quantile_above(p, degrees)
  if p > 0.5 then return -student.quantile_above(1 - p, degrees) end
  local low, high = 0, 1
  while student.above(high, degrees) > p do low, high = high, 2 * high end
  while true do
    local middle = (low + high) / 2
    if middle <= low or middle >= high then return middle end
    if student.above(middle, degrees) > p then low = middle else high = middle end
  end
end

return student
