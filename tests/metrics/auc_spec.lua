local rl = require "rille"
local metrics = rl.metrics

local function by_pairs(scores, positive) -- the definition
  local won, pairs_ = 0, 0
  for i = 1, #scores do
    for j = 1, #scores do
      if positive[i] and not positive[j] then
        pairs_ = pairs_ + 1
        won = won + (scores[i] > scores[j] and 1 or scores[i] == scores[j] and 0.5 or 0)
      end
    end
  end
  return won / pairs_
end

describe("auc", function()
  it("is the share of pairs in the right order, ties counting half", function()
    local scores, positive = {}, {}
    for i = 1, 60 do
      scores[i] = (i * 37 % 11) / 4
      positive[i] = i * 29 % 7 < 3
    end
    assert.is_close(by_pairs(scores, positive), metrics.auc(scores, positive), 1e-14)
  end)
  it("knows right, wrong and empty answers", function()
    assert.equal(1, metrics.auc({ 1, 2, 3, 4 }, { 0, 0, 1, 1 }))
    assert.equal(0, metrics.auc({ 1, 2, 3, 4 }, { 1, 1, 0, 0 }))
    assert.equal(0.5, metrics.auc({ 7, 7, 7 }, { 0, 1, 1 }))
    assert.equal(0.75, metrics.auc(rl.tensor { 0.1, 0.4, 0.35, 0.8 }, rl.tensor { 0, 0, 1, 1 }))
  end)
  it("is undefined, with a reason, where one class is missing or a score is no number", function()
    assert.same({ nil, "there is no positive" }, { metrics.auc({ 1, 2 }, { 0, 0 }) })
    assert.same({ nil, "there is no negative" }, { metrics.auc({ 1, 2 }, { true, true }) })
    assert.same({ nil, "score 2 is not a number" }, { metrics.auc({ 1, 0 / 0 }, { 0, 1 }) })
  end)
  it("equals the area under its curve", function()
    local scores, labels = { 3, 1, 2, 2, 5, 4, 2 }, { 1, 0, 1, 0, 1, 0, 0 }
    local c = metrics.roc(scores, labels)
    local area = 0
    for i = 2, #c.fpr do area = area + (c.fpr[i] - c.fpr[i - 1]) * (c.tpr[i] + c.tpr[i - 1]) / 2 end
    assert.is_close(metrics.auc(scores, labels), area, 1e-14)
    assert.same({ 0, 1, 0, 1 }, { c.fpr[1], c.fpr[#c.fpr], c.tpr[1], c.tpr[#c.tpr] })
    assert.equal(6, #c.fpr)
    assert.same({ nil, "there is no negative" }, { metrics.roc({ 1 }, { 1 }) })
  end)
  it("does one class against the rest, macro and micro", function()
    local p = rl.tensor { { 0.7, 0.2, 0.1 }, { 0.3, 0.5, 0.2 }, { 0.2, 0.3, 0.5 }, { 0.4, 0.35, 0.25 },
      { 0.1, 0.6, 0.3 } }
    local r = metrics.one_vs_rest(p, { 1, 2, 3, 2, 3 })
    assert.is_close({ 1, 2 / 3, 1 }, r.per_class, 1e-12)
    assert.is_close((1 + 2 / 3 + 1) / 3, r.macro, 1e-12)
    assert.is_close(0.8666666666666668, r.weighted, 1e-12)
    local flat, one_hot = p:reshape({ -1 }):tolist(), {}
    for i, k in ipairs { 1, 2, 3, 2, 3 } do
      for c = 1, 3 do one_hot[3 * (i - 1) + c] = c == k end
    end
    assert.is_close(by_pairs(flat, one_hot), r.micro, 1e-12)
    local gone = metrics.one_vs_rest(p, { 1, 2, 2, 2, 1 })
    assert.same({ false, 1 }, { gone.per_class[3], gone.undefined })
    assert.is_close((gone.per_class[1] + gone.per_class[2]) / 2, gone.macro, 1e-12)
  end)
  it("refuses labels that are none and lists that differ", function()
    assert.error_matches(function() metrics.auc({ 1, 2 }, { 1, 2 }) end, "metrics.auc: label 2 is 2")
    assert.error_matches(function() metrics.auc({ 1, 2, 3 }, { 1, 0 }) end, "metrics.auc: 3 values against 2")
    assert.error_matches(function() metrics.one_vs_rest({ { 1, 2 } }, { 0 }) end,
      "label 1 is 0; labels are 1 to 2")
  end)
end)
