local rl = require "rille"
local metrics = rl.metrics

-- Reference values by scikit-learn 1.9.
local scores, labels = {}, {}
for i = 1, 60 do scores[i], labels[i] = (i * 37 % 11) / 4, i * 29 % 7 < 3 end

describe("findings", function()
  it("have the average precision of the reference, with ties", function()
    assert.is_close(0.42179984419803424, metrics.average_precision(scores, labels), 1e-14)
    local c = metrics.precision_recall_curve(scores, labels)
    assert.is_close({ 0.4, 0.36363636363636365, 0.4117647058823529, 0.4090909090909091 },
      { table.unpack(c.precision, 1, 4) }, 1e-14)
    assert.is_close({ 2 / 26, 4 / 26, 7 / 26, 9 / 26 }, { table.unpack(c.recall, 1, 4) }, 1e-14)
    assert.same({ 11, 26 / 60, 1 }, { #c.recall, c.precision[11], c.recall[11] })
  end)
  it("know right and empty answers, and the share of positives for equal scores", function()
    assert.equal(1, metrics.average_precision({ 1, 2, 3 }, { 0, 1, 1 }))
    assert.equal(1, metrics.average_precision({ 1, 2 }, { 1, 1 }))
    assert.equal(0.25, metrics.average_precision({ 5, 5, 5, 5 }, { 0, 1, 0, 0 }))
    assert.same({ nil, "there is no positive" }, { metrics.average_precision({ 1 }, { 0 }) })
    assert.same({ nil, "score 1 is not a number" }, { metrics.average_precision({ 0 / 0 }, { 1 }) })
    assert.same({ nil, "there is no positive" }, { metrics.precision_recall_curve({ 1 }, { 0 }) })
  end)
  it("do not change under a rising transform of the scores", function()
    local other = {}
    for i, s in ipairs(scores) do other[i] = math.exp(s) - 3 end
    assert.equal(metrics.average_precision(scores, labels), metrics.average_precision(other, labels))
  end)
  it("have intervals around the value", function()
    for _, name in ipairs { "auc", "average_precision" } do
      local r = metrics[name .. "_interval"](scores, labels, { samples = 300 })
      assert.equal(metrics[name](scores, labels), r.value)
      assert.truthy(r.low < r.value and r.value < r.high and r.samples == 300)
    end
    -- Hanley and McNeil's normal interval has +- 0.148 here; the bootstrap is near it
    local r = metrics.auc_interval(scores, labels)
    assert.is_close({ r.value - 0.148, r.value + 0.148 }, { r.low, r.high }, 0.02)
    local none, reason = metrics.auc_interval({ 0 / 0, 1 }, { 0, 1 })
    assert.same({ samples = 0 }, none)
    assert.equal("there is no positive", select(2, metrics.auc_interval({ 1, 2 }, { 0, 0 }, { samples = 9 })))
    assert.equal("score 1 is not a number", reason)
  end)
  it("leave uncertain labels out column by column", function()
    local s, y = {}, {}
    for i = 1, 30 do
      s[i], y[i] = {}, {}
      for k = 1, 2 do
        s[i][k] = ((i * 31 + k * 17) % 53) / 53
        y[i][k] = (i + k) % 9 == 0 and -1 or (i * k * 7) % 5 < 2 and 1 or 0
      end
    end
    local r = metrics.multilabel(s, y)
    assert.is_close({ 0.5227272727272727, 0.7159090909090908 }, r.auc, 1e-14)
    assert.is_close({ 0.6149213266604571, 0.621446608946609 }, r.average_precision, 1e-14)
    assert.same({ { 11 / 27, 11 / 27 }, { 27, 27 }, 0 }, { r.prevalence, r.n, r.undefined })
    assert.is_close((r.auc[1] + r.auc[2]) / 2, r.macro, 1e-14)
    local t = metrics.multilabel(rl.tensor(s, { dtype = "f64" }), rl.tensor(y))
    assert.is_close(r.auc, t.auc, 1e-14)
    local gone = metrics.multilabel({ { 1, 1 }, { 2, 2 } }, { { 0, -1 }, { 1, 0 / 0 } })
    assert.same({ { 1, false }, { 0.5, false }, { 2, 0 }, 1, 1 },
      { gone.auc, gone.prevalence, gone.n, gone.macro, gone.undefined })
  end)
end)
