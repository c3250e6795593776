-- Two methods on the same cases: Student's paired test with its interval and effect size, and Holm's
-- correction of several p values.

local check = require "rille.util.check"
local statistics = require "rille.metrics.statistics"
local student = require "rille.metrics.student"
local values = require "rille.metrics.values"

local paired = {}

local function p_value(t, df, alternative)
  if alternative == "greater" then return student.above(t, df) end
  if alternative == "less" then return student.above(-t, df) end
  return 2 * student.above(math.abs(t), df)
end

-- The mean difference give or take, on the sides that the alternative leaves open.
local function interval(r, alternative, level)
  local tail = alternative == "two-sided" and (1 - level) / 2 or 1 - level
  local reach = student.quantile_above(tail, r.df) * r.std / r.n ^ 0.5
  return alternative == "less" and -math.huge or r.mean - reach,
    alternative == "greater" and math.huge or r.mean + reach
end

---Paired t-test of a against b: t = mean(d) sqrt(n)/std(d) with d = a - b, std over n - 1, n - 1 degrees of
---freedom. `alternative`: "two-sided", "greater" (a > b on the whole) or "less". `effect` is Cohen's d
---of paired samples, mean(d)/std(d). `low`, `high`: the interval of the mean difference that belongs to the
---test; one-sided tests leave one end infinite. Cases where either value is undefined (false or NaN) are left
---out and counted.
---Undefined: t, p, effect with a reason for fewer than two cases, and where all differences are equal
---or one is infinite.
---Raises: "metrics.paired_t_test: ..." for lists of different length and unknown alternatives.
---@param a (number|false)[]
---@param b (number|false)[]
---@param opts? { alternative: string, level: number } default "two-sided", 0.95
---@return { n: integer, undefined: integer, mean: number?, std: number?, df: integer?, t: number?,
---  p: number?, effect: number?, low: number?, high: number? } result, string? reason
function paired.paired_t_test(a, b, opts)
  local who = "metrics.paired_t_test"
  local o = check.options(who, opts, { alternative = "two-sided", level = 0.95 })
  check.word(who, "alternative", o.alternative, { "two-sided", "greater", "less" })
  check.number(who, "level", o.level, 0, 1)
  local d, undefined = values.differences(who, a, b)
  local s = statistics.summary(d)
  local r = { n = s.n, undefined = undefined, mean = s.mean, std = s.std }
  if s.std ~= s.std then return r, "a difference is infinite" end
  if s.n < 2 then return r, "there are fewer than two pairs" end
  r.df = s.n - 1
  -- Equal differences leave a last bit or two of rounding, which is no spread.
  if s.std <= 1e-14 * math.abs(s.mean) then return r, "all differences are equal" end
  r.effect = s.mean / s.std
  r.t = r.effect * s.n ^ 0.5
  r.p = p_value(r.t, r.df, o.alternative)
  if o.level > 0 and o.level < 1 then r.low, r.high = interval(r, o.alternative, o.level) end
  return r
end

---Holm's step-down correction: the k-th smallest of m p values times m - k + 1, never below the one before,
---at most 1. A corrected value under 0.05 keeps the chance of any false finding under 5 %. Undefined entries
---(false or NaN) stay false and do not count.
---Source: Holm 1979, Scandinavian Journal of Statistics 6.
---@param p (number|false)[]
---@return (number|false)[] corrected in the order given
function paired.holm(p)
  local order, out, m, least = {}, {}, 0, 0
  for i, v in ipairs(p) do
    out[i] = false
    if v and v == v then
      m = m + 1
      order[m] = i
      check.number("metrics.holm", "p[" .. i .. "]", v, 0, 1)
    end
  end
  table.sort(order, function(i, j) return p[i] < p[j] or p[i] == p[j] and i < j end)
  for k, i in ipairs(order) do
    least = math.max(least, math.min(1, (m - k + 1) * p[i]))
    out[i] = least
  end
  return out
end

return paired
