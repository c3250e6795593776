local rl = require "rille"
local metrics = rl.metrics

-- Reference values by scikit-learn 1.9.
local H, W = 20, 24
local a, b = {}, {}
for i = 0, H * W - 1 do
  local y, x = i // W, i % W
  a[i + 1] = (y - 9) ^ 2 / 36 + (x - 10) ^ 2 / 64 <= 1 and 1 or 0
  b[i + 1] = ((y - 11) ^ 2 / 30 + (x - 13) ^ 2 / 50 <= 1 or y < 3 and x < 4) and 1 or 0
end
local predicted, truth = rl.tensor(a):reshape { 1, 1, H, W }, rl.tensor(b):reshape { 1, 1, H, W }
local none = predicted * 0

describe("masks", function()
  it("have the reference scores", function()
    assert.is_close({ 0.6277372262773723 }, metrics.dice(predicted, truth), 1e-12)
    assert.is_close({ 0.4574468085106383 }, metrics.iou(predicted, truth), 1e-12)
    assert.is_close({ 0.5992817798898369 }, metrics.mean_iou(predicted, truth), 1e-12)
    local s = metrics.mask_scores(predicted, truth)
    assert.is_close({ 2 / 3, 0.8319088319088319, 0.593103448275862, 0.7875 },
      { s.sensitivity, s.specificity, s.precision, s.accuracy }, 1e-12)
    assert.same({ metrics.dice(predicted, truth), metrics.iou(predicted, truth) }, { s.dice, s.iou })
  end)
  it("tell foreground by the type, and floats by the threshold", function()
    local want = metrics.dice(predicted, truth)
    assert.same(want, metrics.dice(predicted:gt(0.5), (truth * 255):to("u8")))
    assert.same(want, metrics.dice(predicted * 0.6 + 0.2, truth))
    assert.same({ 0 }, metrics.dice(predicted * 0.6 + 0.2, truth, { threshold = 0.9 }))
  end)
  it("relate: dice = 2 iou/(1 + iou), and turn round for free", function()
    local d, j = metrics.dice(predicted, truth)[1], metrics.iou(predicted, truth)[1]
    assert.is_close(2 * j / (1 + j), d, 1e-14)
    assert.equal(d, metrics.dice(truth, predicted)[1])
    assert.same({ 1 }, metrics.dice(truth, truth))
  end)
  it("say what is undefined, and take the caller's answer for two empty masks", function()
    assert.same({ 0 }, metrics.dice(predicted, none))
    assert.same({ false }, metrics.dice(none, none))
    assert.same({ 1 }, metrics.dice(none, none, { empty = 1 }))
    assert.same({ 0 }, metrics.iou(none, none, { empty = 0 }))
    assert.same({ 1 }, metrics.mean_iou(none, none))
    local s = metrics.mask_scores(none, none)
    assert.same({ { false }, { false }, { 1 } }, { s.sensitivity, s.precision, s.specificity })
    assert.error_matches(function() metrics.mean_iou(none, none, { empty = 1 }) end, 'unknown option "empty"')
  end)
  it("leave out what is to be ignored", function()
    local t = rl.tensor { { 1, 0, 255, 255, 1, 0 } }:to("u8")
    local p = rl.tensor { { 1, 1, 1, 0, 0, 0 } }:to("u8")
    assert.is_close({ 1 / 2 }, metrics.dice(p, t, { ignore_index = 255 }), 1e-15)
    assert.same({ false }, metrics.mean_iou(p, p * 0 + 255, { ignore_index = 255 }))
  end)
  it("work image by image, and refuse other shapes", function()
    local two = rl.cat({ predicted, none }, { dim = 1 })
    assert.same({ 1, false }, metrics.dice(two, two))
    assert.error_matches(function() metrics.dice(predicted, rl.zeros { 1, 1, 3, 3 }) end,
      "metrics.dice: 1x1x20x24 against 1x1x3x3")
  end)
end)

describe("label maps", function()
  local lt, lp = {}, {}
  for i = 1, 100 do
    lt[i] = i * 7 % 3 + 1
    lp[i] = i % 4 ~= 0 and i * 7 % 3 + 1 or i % 4 + i * 3 % 3 + 1
  end
  local t, p = rl.tensor(lt, { dtype = "i64" }), rl.tensor(lp, { dtype = "i64" })

  it("have the reference counts, as lists have", function()
    local want = { { 33, 0, 0 }, { 9, 25, 0 }, { 8, 0, 25 } }
    assert.same(want, metrics.confusion_of_maps(p:reshape { 1, 10, 10 }, t:reshape { 1, 10, 10 }, 3))
    assert.same(want, metrics.confusion(lp, lt, 3))
  end)
  it("have IoU and Dice per class", function()
    local s = metrics.segmentation(metrics.confusion_of_maps(p, t, 3))
    assert.is_close({ 0.66, 0.7352941176470589, 0.7575757575757576 }, s.iou, 1e-14)
    assert.is_close({ 0.7951807228915663, 0.847457627118644, 0.8620689655172413 }, s.dice, 1e-14)
    assert.is_close({ (s.iou[1] + s.iou[2] + s.iou[3]) / 3, 0.83 }, { s.mean_iou, s.accuracy }, 1e-14)
    local fore = metrics.segmentation(metrics.confusion_of_maps(p, t, 3), { background = 1 })
    assert.is_close((s.iou[2] + s.iou[3]) / 2, fore.mean_iou, 1e-14)
  end)
  it("leave absent classes out of the means, and count them", function()
    local s = metrics.segmentation { { 3, 1, 0 }, { 0, 2, 0 }, { 0, 0, 0 } }
    assert.same({ false, false, 1 }, { s.iou[3], s.dice[3], s.undefined })
    assert.is_close((3 / 4 + 2 / 3) / 2, s.mean_iou, 1e-14)
    assert.is_nil(metrics.segmentation({ { 0 } }).mean_iou)
  end)
  it("remove ignored pixels first, and refuse stray labels", function()
    local with = rl.tensor({ 1, 255, 2, 255 }, { dtype = "i64" })
    local said = rl.tensor({ 1, 2, 1, 1 }, { dtype = "i64" })
    assert.same({ { 1, 0 }, { 1, 0 } }, metrics.confusion_of_maps(said, with, 2, { ignore_index = 255 }))
    assert.error_matches(function() metrics.confusion_of_maps(said, with, 2) end,
      "metrics.confusion_of_maps: 2 pixels hold labels outside 1 to 2")
  end)
end)
