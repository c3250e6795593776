local figures = require "rille.run.figures"

describe("figures over images", function()
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
