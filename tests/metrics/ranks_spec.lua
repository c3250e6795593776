local ranks = require "rille.metrics.ranks"
local metrics = require "rille".metrics

local function slow_auc(s, yes) -- the definition
  local sum, n = 0, 0
  for i = 1, #s do
    for j = 1, #s do
      if yes[i] and not yes[j] then
        n = n + 1
        sum = sum + (s[i] > s[j] and 1 or s[i] == s[j] and 0.5 or 0)
      end
    end
  end
  return sum / n
end

describe("ranks", function()
  it("have the area under the curve of all pairs, ties counted half", function()
    local s, yes, once = {}, {}, {}
    for i = 1, 60 do s[i], yes[i], once[i] = (i * 7919) % 23, (i * 104729) % 3 == 0, 1 end
    local problem = ranks.problem(s, yes)
    assert.is_close(slow_auc(s, yes), ranks.area(problem, once), 1e-12)
    assert.equal(ranks.area(problem), ranks.area(problem, once))
    assert.is_nil(ranks.area(ranks.problem({ 1, 2 }, { true, true })))
  end)
  it("count a case as often as it was drawn", function()
    local problem, times = ranks.problem({ 3, 1, 2, 2 }, { true, false, true, false }), { 2, 1, 0, 3 }
    local s, yes = { 3, 3, 1, 2, 2, 2 }, { true, true, false, false, false, false }
    assert.is_close(slow_auc(s, yes), ranks.area(problem, times), 1e-12)
    local more = { 3, 2, 5, 1 }
    s, yes = { 3, 3, 3, 1, 1, 2, 2, 2, 2, 2, 2 },
      { true, true, true, false, false, true, true, true, true, true, false }
    assert.is_close(metrics.average_precision(s, yes), ranks.average_precision(problem, more), 1e-15)
    assert.is_close(slow_auc(s, yes), ranks.area(problem, more), 1e-15)
  end)
  it("hand out the counts of a resampling", function()
    local r = metrics.bootstrap_counts(5, function(times)
      local n, sum = 0, 0
      for i = 1, 5 do n, sum = n + times[i], sum + i * times[i] end
      assert(n == 5)
      return sum / n
    end, { seed = 7 })
    local same = metrics.bootstrap_mean({ 1, 2, 3, 4, 5 }, { seed = 7 })
    assert.is_close({ same.value, same.low, same.high }, { r.value, r.low, r.high }, 1e-12)
  end)
end)
