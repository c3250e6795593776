local figures = require "rille.run.figures"
local ranks = require "rille.run.ranks"

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

local function ones(n)
  local out = {}
  for i = 1, n do out[i] = 1 end
  return out
end

describe("figures over images", function()
  it("have the area under the curve of all pairs, ties counted half", function()
    local s, yes = {}, {}
    for i = 1, 60 do s[i], yes[i] = (i * 7919) % 23, (i * 104729) % 3 == 0 end
    assert.is_close({ slow_auc(s, yes) }, { ranks.area(ranks.problem(s, yes), ones(60)) }, 1e-12)
    assert.is_nil(ranks.area(ranks.problem({ 1, 2 }, { true, true }), ones(2)))
  end)
  it("count an image as often as it was drawn", function()
    local problem = ranks.problem({ 3, 1, 2, 2 }, { true, false, true, false })
    local s, yes = { 3, 3, 1, 2, 2, 2 }, { true, true, false, false, false, false }
    assert.are.same({ 2, 1, 0, 3 }, ranks.times({ 4, 1, 4, 2, 1, 4 }, 4))
    assert.is_close({ slow_auc(s, yes) }, { ranks.area(problem, { 2, 1, 0, 3 }) }, 1e-12)
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
