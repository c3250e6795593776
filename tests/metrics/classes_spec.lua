local rl = require "rille"
local metrics = rl.metrics

describe("classes", function()
  local predicted, labels = { 1, 1, 2, 2, 3, 1 }, { 1, 2, 2, 2, 1, 1 }

  it("counts truth by prediction", function()
    assert.same({ { 2, 0, 1 }, { 1, 2, 0 }, { 0, 0, 0 } }, metrics.confusion(predicted, labels, 3))
    assert.is_close(4 / 6, metrics.accuracy(predicted, labels), 1e-15)
    assert.is_close(4 / 6, metrics.accuracy(rl.tensor(predicted, { dtype = "i64" }), labels), 1e-15)
    assert.same({ nil, "there is nothing to count" }, { metrics.accuracy({}, {}) })
  end)
  it("has precision, recall and F1 per class, and says what is undefined", function()
    local r = metrics.precision_recall(metrics.confusion(predicted, labels, 3))
    assert.is_close({ 2 / 3, 1, 0 }, r.precision, 1e-15)
    assert.is_close({ 2 / 3, 2 / 3 }, { r.recall[1], r.recall[2] }, 1e-15)
    assert.is_close({ 2 / 3, 0.8 }, { r.f1[1], r.f1[2] }, 1e-15)
    assert.same({ false, false }, { r.recall[3], r.f1[3] })
    assert.is_close({ 5 / 6, 2 / 3 }, { r.macro.precision, r.macro.recall }, 1e-15)
  end)
  it("takes the first of equal scores", function()
    assert.same({ 2, 1 }, metrics.predicted(rl.tensor { { 0, 1, 1 }, { 2, 2, 2 } }))
  end)
end)
