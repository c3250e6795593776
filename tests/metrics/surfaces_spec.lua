local rl = require "rille"
local metrics = rl.metrics

-- Reference values: scipy 1.17, binary_erosion and distance_transform_edt.
local H, W = 20, 24
local a, b = {}, {}
for i = 0, H * W - 1 do
  local y, x = i // W, i % W
  a[i + 1] = (y - 9) ^ 2 / 36 + (x - 10) ^ 2 / 64 <= 1 and 1 or 0
  b[i + 1] = ((y - 11) ^ 2 / 30 + (x - 13) ^ 2 / 50 <= 1 or y < 3 and x < 4) and 1 or 0
end
local predicted, truth = rl.tensor(a):reshape { 1, 1, H, W }, rl.tensor(b):reshape { 1, 1, H, W }
local none = predicted * 0

local function all(p, t, opts)
  local at95 = { percentile = 95, spacing = opts and opts.spacing }
  return { metrics.hausdorff(p, t, opts)[1], metrics.hausdorff(p, t, at95)[1],
    metrics.surface_distance(p, t, opts)[1], metrics.symmetric_surface_distance(p, t, opts)[1] }
end

describe("surfaces", function()
  it("have the reference distances", function()
    assert.is_close({ 7.0710678118654755, 6.3658107380358215, 2.2135404243019314, 2.5046265175338625 },
      all(predicted, truth), 1e-12)
  end)
  it("follow the size of a pixel", function()
    assert.is_close({ 7.810249675906654, 7.197858523117823, 2.1521524331740127, 2.4288101585393886 },
      all(predicted, truth, { spacing = { 2, 0.5 } }), 1e-12)
    local once = all(predicted, truth)
    for k, v in ipairs(all(predicted, truth, { spacing = 3 })) do assert.is_close(3 * once[k], v, 1e-12) end
  end)
  it("know a shift, a single pixel and the border", function()
    assert.same({ 0, 0, 0, 0 }, all(truth, truth))
    local p, t = rl.zeros { 1, 5, 9 }, rl.zeros { 1, 5, 9 }
    p[{ 1, 1, 1 }], t[{ 1, 4, 5 }] = 1, 1
    assert.same({ 5, 5, 5, 5 }, all(p, t))
    -- all of the image against all: the border is the boundary
    local ones = rl.ones { 1, 5, 5 }
    local middle = rl.zeros { 1, 5, 5 }
    middle[{ 1, 3, 3 }] = 1
    assert.is_close({ 8 ^ 0.5 }, metrics.hausdorff(ones, middle), 1e-15)
    assert.same(metrics.hausdorff(predicted, truth), metrics.hausdorff(truth, predicted))
  end)
  it("are infinite with one empty mask and undefined with two", function()
    local two = rl.cat({ none, none, truth }, { dim = 1 })
    local r = metrics.hausdorff(two, rl.cat({ truth, none, truth }, { dim = 1 }), { percentile = 95 })
    assert.same({ math.huge, false, 0 }, r)
    assert.same({ false }, metrics.symmetric_surface_distance(none, none))
    assert.same({ math.huge }, metrics.surface_distance(truth, none))
  end)
  it("refuse bad sizes", function()
    assert.error_matches(function() metrics.hausdorff(none, rl.zeros { 1, 1, 2, 2 }) end,
      "metrics.hausdorff: 1x1x20x24 against 1x1x2x2")
    assert.error_matches(function() metrics.hausdorff(none, none, { spacing = 0 }) end, "spacing = 0")
    assert.error_matches(function() metrics.hausdorff(none, none, { percentile = 101 }) end,
      "percentile = 101")
  end)
end)
