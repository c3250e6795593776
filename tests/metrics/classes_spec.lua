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
  it("has the means of the reference (scikit-learn 1.9)", function()
    local said, truth, scores = {}, {}, {}
    for i = 1, 40 do
      said[i] = i * 7 % 4 + 1
      truth[i] = (i % 3 ~= 0 and i * 7 % 4 or i * i % 3) + 1
      scores[i] = {}
      for k = 1, 4 do scores[i][k] = ((i * 13 + k * 29) % 17) / 17 end
    end
    local r = metrics.precision_recall(metrics.confusion(said, truth, 4))
    local function three(m) return { m.precision, m.recall, m.f1 } end
    assert.is_close({ 0.75, 0.875, 0.7659313725490196 }, three(r.macro), 1e-14)
    assert.is_close({ 0.835, 0.75, 0.7340686274509804 }, three(r.weighted), 1e-14)
    assert.is_close({ 0.75, 0.75, 0.75 }, three(r.micro), 1e-14)
    assert.equal(0.875, r.balanced_accuracy)
    assert.equal(0.5, metrics.top_k_accuracy(scores, truth, 2))
    assert.equal(1, metrics.top_k_accuracy(scores, truth, 4))
  end)
  it("puts the earlier of equal scores first among the k largest", function()
    assert.equal(0.5, metrics.top_k_accuracy({ { 1, 1, 0 }, { 1, 1, 0 } }, { 1, 2 }, 1))
    assert.equal(1, metrics.top_k_accuracy({ { 1, 1, 0 }, { 1, 1, 0 } }, { 1, 2 }, 2))
    assert.same({ nil, "there is nothing to count" }, { metrics.top_k_accuracy({}, {}, 1) })
    assert.is_nil(metrics.precision_recall({ { 0 } }).macro.f1)
  end)
end)
