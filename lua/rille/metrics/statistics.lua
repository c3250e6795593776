-- What many numbers say together: mean, median, deviation; bootstrap intervals, also of paired differences.

local check = require "rille.util.check"
local random = require "rille.util.random"
local values = require "rille.metrics.values"

local statistics = {}

local function defined(list)
  local out, left_out = {}, 0
  for _, v in ipairs(list) do
    if v and v == v then out[#out + 1] = v else left_out = left_out + 1 end
  end
  return out, left_out
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
  out.mean, out.median, out.min, out.max = values.mean(v), values.quantile(v, 0.5), v[1], v[#v]
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
    out.low, out.high = values.quantile(drawn, (1 - o.level) / 2), values.quantile(drawn, (1 + o.level) / 2)
  end
  return out
end

---The same resampling for statistics that take how often each case was drawn: those of sorted data, which
---then need no new sort.
---@param n integer number of cases
---@param statistic fun(times: integer[]): number?
---@param opts? { samples: integer, level: number, seed: integer }
---@return { value: number?, low: number?, high: number?, samples: integer }
function statistics.bootstrap_counts(n, statistic, opts)
  return statistics.bootstrap(n, function(places)
    local times = {}
    for i = 1, n do times[i] = 0 end
    for _, i in ipairs(places) do times[i] = times[i] + 1 end
    return statistic(times)
  end, opts)
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
  local d = values.differences("metrics.bootstrap_difference", a, b)
  local out = statistics.bootstrap_mean(d, opts)
  out.n = #d
  return out
end

return statistics
