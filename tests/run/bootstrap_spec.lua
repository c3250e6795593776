local bootstrap = require "rille.run.bootstrap"
local figures = require "rille.run.figures"
local rl = require "rille"
local scores = require "rille.run.scores"

local function slow_auc(s, yes)
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

describe("figures over images", function()
  it("have the area under the curve of all pairs, ties counted half", function()
    local s, yes = {}, {}
    for i = 1, 60 do s[i], yes[i] = (i * 7919) % 23, (i * 104729) % 3 == 0 end
    assert.is_close({ slow_auc(s, yes) }, { bootstrap.auc(s, yes, bootstrap.order(s)) }, 1e-12)
    assert.are.equal(0.5, bootstrap.auc({ 1, 1, 1 }, { true, false, false }, { 1, 2, 3 }))
    assert.is_nil(bootstrap.auc({ 1, 2 }, { true, true }, { 1, 2 }))
  end)
  it("count an image as often as it was drawn", function()
    local s, yes, times = { 3, 1, 2, 2 }, { true, false, true, false }, { 2, 1, 0, 3 }
    local s2, yes2 = { 3, 3, 1, 2, 2, 2 }, { true, true, false, false, false, false }
    assert.is_close({ slow_auc(s2, yes2) }, { bootstrap.auc(s, yes, bootstrap.order(s), times) }, 1e-12)
  end)
  it("have the same draws each time, of n images each", function()
    local a, b, total = {}, {}, 0
    for times in bootstrap.draws(10) do a[#a + 1] = table.concat(times, ",") end
    for times in bootstrap.draws(10) do
      b[#b + 1] = table.concat(times, ",")
      for _, t in ipairs(times) do total = total + t end
    end
    assert.are.same(a, b)
    assert.are.equal(10 * #a, total)
  end)
  it("have intervals like the normal approximation", function()
    local values = {}
    for i = 1, 400 do values[i] = (i * 7919 % 400) / 400 end
    local spread = figures.spread(values, 400)
    local half = 1.96 * spread.std / 20
    assert.is_close({ spread.mean - half, spread.mean + half }, spread.interval, 0.005)
    assert.are.equal(400, spread.n)
  end)
  it("have roc curves from 0 to 1 that do not fall", function()
    local s, yes = { 0.1, 0.4, 0.35, 0.8 }, { false, false, true, true }
    local c = bootstrap.roc(s, yes, bootstrap.order(s), 100)
    assert.are.same({ 0, 0, 0.5, 0.5, 1 }, c.fpr)
    assert.are.same({ 0, 0.5, 0.5, 1, 1 }, c.tpr)
  end)
  it("score maps by CC, HS and KL as defined", function()
    local q = rl.tensor({ { 0.1, 0.2, 0.3, 0.4 }, { 0.25, 0.25, 0.25, 0.25 } }, { dtype = "f64" })
    local g = rl.tensor({ { 0.4, 0.3, 0.2, 0.1 }, { 0.7, 0.1, 0.1, 0.1 } }, { dtype = "f64" })
    local m = scores.maps(q:log(), g)
    assert.is_close({ -1 }, { m.cc[1] }, 1e-12)
    assert.is_close({ 0.6, 0.55 }, m.hs, 1e-12)
    assert.is_close({
      0.4 * math.log(4) + 0.3 * math.log(1.5) + 0.2 * math.log(2 / 3) + 0.1 * math.log(0.25) }, { m.kl[1] },
      1e-12)
  end)
  it("are complete for a three-class task", function()
    local classes, rows, other = { "a", "b", "c" }, {}, {}
    for i = 1, 30 do
      local k = i % 3 + 1
      local p = { 0.2, 0.2, 0.2 }
      p[i % 5 == 0 and i % 2 + 1 or k] = 0.6
      rows[i] = { p = p, label = k, predicted = p[1] > 0.5 and 1 or p[2] > 0.5 and 2 or 3, cc = i / 30 }
      other[i] = { p = { 1 / 3, 1 / 3, 1 / 3 }, label = k, predicted = 1, cc = 0.5 }
    end
    local out = figures.of(rows, classes)
    figures.beside(out, rows, "flat", other, classes)
    local hits = out.confusion[1][1] + out.confusion[2][2] + out.confusion[3][3]
    assert.is_close({ hits / 30 }, { out.metrics.accuracy }, 1e-12)
    assert.is_true(out.metrics.auc_macro > 0.7 and out.metrics.auc_macro_interval[1] < out.metrics.auc_macro)
    assert.are.equal(0.5, out.trivial.flat.auc_macro)
    assert.is_close({ out.metrics.auc_macro - 0.5 }, { out.differences["auc_macro vs flat"].mean }, 1e-12)
    assert.is_close({ 15.5 / 30 - 0.5 }, { out.differences["cc vs flat"].mean }, 1e-12)
    assert.is_close({ 15.5 / 30, 0.5166666666666667 }, { out.metrics.cc.mean, out.metrics.cc.median }, 1e-12)
  end)
end)
