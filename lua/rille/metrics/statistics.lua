-- What many numbers say together: mean, median, deviation; bootstrap intervals, also of paired differences.

local check = require "rille.util.check"
local random = require "rille.util.random"

local statistics = {}

local function defined(list)
  local out, left_out = {}, 0
  for _, v in ipairs(list) do
    if v and v == v then out[#out + 1] = v else left_out = left_out + 1 end
  end
  return out, left_out
end

local function mean(list)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + v end
  return sum / #list
end

-- Linear interpolation between order statistics, as numpy's percentile does.
local function quantile(sorted, q)
  local at = 1 + q * (#sorted - 1)
  local i = math.floor(at)
  local next_one = sorted[math.min(i + 1, #sorted)]
  return sorted[i] + (at - i) * (next_one - sorted[i])
end

---Mean, median, standard deviation (n - 1; nil for one value) of the values that are defined; `undefined`
---counts the others (false or NaN).
---@param list (number|false)[]
---@return { n: integer, undefined: integer, mean: number?, median: number?, std: number?, min: number?,
---  max: number? }
function statistics.summary(list)
  local v, left_out = defined(list)
  local out = { n = #v, undefined = left_out }
  if #v == 0 then return out end
  table.sort(v)
  out.mean, out.median, out.min, out.max = mean(v), quantile(v, 0.5), v[1], v[#v]
  if #v > 1 then
    local sum = 0
    for _, x in ipairs(v) do sum = sum + (x - out.mean) ^ 2 end
    out.std = (sum / (#v - 1)) ^ 0.5
  end
  return out
end

local defaults = { samples = 1000, level = 0.95, seed = 1 }

local function redrawn(n, draw)
  local places = {}
  for i = 1, n do places[i] = draw(n) end
  return places
end

---Percentile interval by resampling n cases with replacement. Samples where the statistic is undefined are
---left out.
---@param n integer number of cases
---@param statistic fun(places: integer[]): number? of the cases at these places, each maybe several times
---@param opts? { samples: integer, level: number, seed: integer } default 1000, 0.95, 1
---@return { value: number?, low: number?, high: number?, samples: integer } value: of the cases as they are
function statistics.bootstrap(n, statistic, opts)
  local who = "metrics.bootstrap"
  local o = check.options(who, opts, defaults)
  check.integer(who, "n", n, 0)
  check.integer(who, "samples", o.samples, 1)
  check.number(who, "level", o.level, 0, 1)
  local draw, drawn, as_is = random(o.seed), {}, {}
  for i = 1, n do as_is[i] = i end
  local out = { value = n > 0 and statistic(as_is) or nil, samples = 0 }
  if n == 0 then return out end
  for _ = 1, o.samples do
    local v = statistic(redrawn(n, draw))
    if v and v == v then drawn[#drawn + 1] = v end
  end
  out.samples = #drawn
  if #drawn > 0 then
    table.sort(drawn)
    out.low, out.high = quantile(drawn, (1 - o.level) / 2), quantile(drawn, (1 + o.level) / 2)
  end
  return out
end

---Interval of the mean of a list; undefined entries are left out before.
---@param list (number|false)[]
---@param opts? { samples: integer, level: number, seed: integer }
---@return { value: number?, low: number?, high: number?, samples: integer }
function statistics.bootstrap_mean(list, opts)
  local v = defined(list)
  return statistics.bootstrap(#v, function(places)
    local sum = 0
    for _, i in ipairs(places) do sum = sum + v[i] end
    return sum / #places
  end, opts)
end

---Interval of the mean of a[i] - b[i] over the cases where both are defined: two methods on the same images.
---@param a (number|false)[]
---@param b (number|false)[]
---@param opts? { samples: integer, level: number, seed: integer }
---@return { value: number?, low: number?, high: number?, samples: integer, n: integer }
function statistics.bootstrap_difference(a, b, opts)
  if #a ~= #b then error(("metrics.bootstrap_difference: %d values against %d"):format(#a, #b), 2) end
  local d = {}
  for i = 1, #a do
    if a[i] and b[i] and a[i] == a[i] and b[i] == b[i] then d[#d + 1] = a[i] - b[i] end
  end
  local out = statistics.bootstrap_mean(d, opts)
  out.n = #d
  return out
end

return statistics
