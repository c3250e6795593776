local metrics = require "rille".metrics
local student = require "rille.metrics.student"

-- Reference values by scipy 1.17.
local a, b = {}, {}
for i = 1, 30 do a[i], b[i] = (i * 73 % 101) / 101 + 0.05 * i / 30, (i * 61 % 97) / 97 end

-- to a relative bound, also for tiny numbers
local function near(want, got, bound) assert.is_close(1, got / want, bound) end

describe("student", function()
  it("has the tails of the t distribution", function()
    for _, case in ipairs { { 0.1, 1, 0.4682744825694465 }, { 1, 2, 0.2113248654051871 },
      { 2.5, 9, 0.016930913841492867 }, { -1.3, 4, 0.868274201764388 }, { 8, 29, 4.006287824815844e-09 },
      { 40, 5, 9.205981085886477e-08 }, { 0.01, 300, 0.49601396697944095 },
      { 6, 1000, 1.3776845866887376e-09 }, { 12, 3.5, 0.0002872670964280638 },
      { 37, 982, 1.157582453535104e-188 }, { 0, 7, 0.5 } } do
      near(case[3], student.above(case[1], case[2]), 1e-11) -- ln gamma of 500 leaves 3 digits less
    end
    assert.same({ 0, 1 }, { student.above(math.huge, 3), student.above(-math.huge, 3) })
    assert.is_close(0.5 - math.atan(1e-9) / math.pi, student.above(1e-9, 1), 1e-15)
  end)
  it("is symmetric, and its closed forms for one and two degrees of freedom", function()
    for _, t in ipairs { 0.01, 0.7, 3, 50, 1e4 } do
      near(math.atan(1 / t) / math.pi, student.above(t, 1), 1e-12)
      near(1 / (t * t + 2) / (1 + t / (t * t + 2) ^ 0.5), student.above(t, 2), 1e-12)
      assert.is_close(1, student.above(t, 6) + student.above(-t, 6), 1e-15)
    end
  end)
  it("has the quantiles", function()
    for _, case in ipairs { { 0.025, 1, 12.706204736174705 }, { 0.025, 9, 2.2621571627982053 },
      { 0.05, 29, 1.6991270265334977 }, { 1e-10, 4, 416.1751403296041 }, { 0.7, 3, -0.5843897274398182 },
      { 0.025, 1e4, 1.9602012398906263 }, { 0.5, 3, 0 } } do
      assert.is_close(case[3], student.quantile_above(case[1], case[2]), 1e-10)
    end
  end)
end)

describe("paired", function()
  it("has the t-test of the reference, two-sided and one-sided", function()
    local r = metrics.paired_t_test(a, b)
    assert.is_close({ 0.20001813518409767, 0.8428624185039858, -0.13574251558312794, 0.16517108215112497,
      0.03651814818348268 }, { r.t, r.p, r.low, r.high, r.effect }, 1e-12)
    assert.same({ 30, 29, 0 }, { r.n, r.df, r.undefined })
    local more = metrics.paired_t_test(a, b, { alternative = "greater" })
    assert.is_close({ 0.4214312092519929, -0.11028156462199507, math.huge }, { more.p, more.low, more.high },
      1e-12)
    local less = metrics.paired_t_test(a, b, { alternative = "less" })
    assert.is_close({ 0.578568790748007, -math.huge, 0.1397101311899921 }, { less.p, less.low, less.high },
      1e-12)
  end)
  it("turns round with its arguments", function()
    local r, s = metrics.paired_t_test(a, b), metrics.paired_t_test(b, a)
    assert.is_close({ -r.t, r.p, -r.high, -r.low }, { s.t, s.p, s.low, s.high }, 1e-14)
  end)
  it("leaves out undefined pairs, and says where nothing can be said", function()
    local r = metrics.paired_t_test({ 1, false, 3, 4, 0 / 0, 7 }, { 0, 1, 1, false, 2, 3 })
    assert.same({ 3, 3 }, { r.n, r.undefined })
    assert.is_close({ 7 / 3, (7 / 3) ^ 0.5 }, { r.mean, r.std }, 1e-14)
    local equal, why = metrics.paired_t_test({ 0.1, 0.2, 0.3 }, { 0, 0.1, 0.2 })
    assert.same({ nil, "all differences are equal" }, { equal.p, why })
    assert.equal("all differences are equal", select(2, metrics.paired_t_test(a, a)))
    assert.equal("there are fewer than two pairs", select(2, metrics.paired_t_test({ 1 }, { 2 })))
    assert.equal("there are fewer than two pairs", select(2, metrics.paired_t_test({}, {})))
    assert.equal("a difference is infinite",
      select(2, metrics.paired_t_test({ math.huge, 1, 2 }, { 1, 1, 1 })))
  end)
  it("refuses what it does not know", function()
    assert.error_matches(function() metrics.paired_t_test({ 1 }, { 1, 2 }) end,
      "metrics.paired_t_test: 1 values against 2")
    assert.error_matches(function() metrics.paired_t_test(a, b, { alternative = "more" }) end,
      "alternative = more; it is one of: two-sided, greater, less")
  end)
  it("corrects several p values after Holm", function()
    assert.is_close({ 0.03, 0.06, 0.06, 0.02 }, metrics.holm { 0.01, 0.04, 0.03, 0.005 }, 1e-15)
    assert.same({ false, 1, 1, false }, metrics.holm { false, 0.7, 0.6, 0 / 0 })
    assert.same({}, metrics.holm {})
    assert.same({ 0.2 }, metrics.holm { 0.2 })
    assert.error_matches(function() metrics.holm { 0.2, 1.5 } end, "metrics.holm: p[2] = 1.5")
  end)
end)
