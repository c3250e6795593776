local rl = require "rille"
local metrics = rl.metrics

describe("statistics", function()
  it("summarises what is defined and counts the rest", function()
    local s = metrics.summary { 4, 1, false, 3, 2, 0 / 0 }
    assert.same({ 4, 2, 2.5, 2.5, 1, 4 }, { s.n, s.undefined, s.mean, s.median, s.min, s.max })
    assert.is_close((5 / 3) ^ 0.5, s.std, 1e-15)
    assert.same({ n = 0, undefined = 1 }, metrics.summary { false })
    assert.is_nil(metrics.summary({ 3 }).std)
  end)
  it("gives the same interval for the same seed, near that of the normal law", function()
    local list = {}
    for i = 1, 200 do list[i] = (i * 73 % 200) / 200 end -- even: mean 0.4975, deviation 0.2894
    local a, b = metrics.bootstrap_mean(list, { seed = 3 }), metrics.bootstrap_mean(list, { seed = 3 })
    assert.same(a, b)
    assert.is_close(0.4975, a.value, 1e-12)
    local half = 1.96 * 0.2894 / 200 ^ 0.5
    -- of 1000 samples: 3 standard errors
    assert.is_close({ 0.4975 - half, 0.4975 + half }, { a.low, a.high }, 0.006)
    assert.not_equal(a.low, metrics.bootstrap_mean(list, { seed = 4 }).low)
  end)
  it("compares two methods on the same images", function()
    local a, b = {}, {}
    for i = 1, 50 do a[i], b[i] = i + 0.5 + (i % 3) / 10, i end
    b[50] = false
    local d = metrics.bootstrap_difference(a, b)
    assert.equal(49, d.n)
    assert.truthy(d.low > 0.5 and d.high < 0.7 and d.low < d.value and d.value < d.high)
    assert.error_matches(function() metrics.bootstrap_difference(a, { 1 }) end, "50 values against 1")
  end)
  it("leaves out samples where the statistic is undefined", function()
    local labels = { 0, 0, 1 }
    local r = metrics.bootstrap(3, function(places)
      local s, y = {}, {}
      for j, i in ipairs(places) do s[j], y[j] = i, labels[i] end
      return (metrics.auc(s, y))
    end, { samples = 200 })
    assert.equal(1, r.value)
    assert.truthy(r.samples < 200 and r.samples > 100)
    assert.same({ samples = 0 }, metrics.bootstrap(0, function() return 1 end))
  end)
end)
