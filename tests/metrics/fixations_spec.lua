local rl = require "rille"
local metrics = rl.metrics

local H, W = 6, 7

local function map(a, m, off, f)
  local out = {}
  for i = 1, H * W do out[i] = f(((i * a + off) % m) / m) end
  return rl.tensor(out, { dtype = "f64" }):reshape { 1, 1, H, W }
end

-- Reference values: the benchmark's formulas in numpy 2, areas by scikit-learn 1.9.
local q = map(37, 41, 3, function(v) return v + 0.1 end)
local g = map(29, 43, 0, function(v) return v * v end)
local baseline = map(19, 47, 5, function(v) return v + 0.2 end)
local tied = map(37, 41, 3, function(v) return math.floor((v + 0.1) * 8 + 0.5) / 8 end)
local looked = { { x = 2.7, y = 0.2 }, { 0, 5 }, { 6.9, 5.9 }, { 3, 3 }, { 3.5, 3.9 }, { 1, 2 } }
local others = { { 2.2, 0.9 }, { 4, 4 }, { 5, 1 } }
local flat = rl.ones({ 1, 1, H, W })

local function as_map(list)
  local out = rl.zeros { 1, 1, H, W }
  for _, f in ipairs(list) do
    out[{ 1, 1, math.floor(f.y or f[2]) + 1, math.floor(f.x or f[1]) + 1 }] = 1
  end
  return out
end

describe("fixations", function()
  it("have the benchmark's NSS and information gain", function()
    assert.is_close({ 0.6480057365776556 }, metrics.nss(q, { looked }), 1e-12)
    assert.is_close({ 0.7576219178652949 }, metrics.information_gain(q, { looked }, baseline), 1e-12)
  end)
  it("have AUC-Judd, and the exact area, which ties tell apart", function()
    assert.is_close({ 0.7567567567567568 }, metrics.auc_judd(q, { looked }), 1e-12)
    assert.is_close({ 0.7135135135135136 }, metrics.auc_judd(tied, { looked }), 1e-12)
    assert.is_close({ 0.7162162162162162 }, metrics.fixation_auc(q, { looked }), 1e-12)
    assert.is_close({ 0.7162162162162162 }, metrics.fixation_auc(tied, { looked }), 1e-12)
  end)
  it("have the shuffled area against the other images' fixations", function()
    local all = { looked, others, { { 4.1, 4.2 }, { 0.5, 0.5 }, { 6, 2 }, { 3, 3 } } }
    local maps = rl.cat({ q, tied, g }, { dim = 1 })
    assert.is_close({ 0.3833333333333333, 0.6041666666666666, 0.4642857142857143 },
      metrics.shuffled_auc(maps, all), 1e-12)
  end)
  it("draw for the shuffled area as the benchmark does", function()
    local both, two = rl.cat({ q, q }, { dim = 1 }), { looked, others }
    -- the pool of the first has 3 pixels, all drawn each time
    assert.is_close(0.23333333333333334, metrics.shuffled_auc(both, two, { draws = 4 })[1], 1e-12)
    local a = metrics.shuffled_auc(both, two, { draws = 50, seed = 2 })
    assert.same(a, metrics.shuffled_auc(both, two, { draws = 50, seed = 2 }))
    assert.is_close(metrics.shuffled_auc(both, two)[2], a[2], 0.1) -- the steps of 0.1 blur it
  end)
  it("take a map of fixations as well as a list, and count a pixel once", function()
    local x, y = as_map(looked), as_map(others)
    local both, two = rl.cat({ q, g }, { dim = 1 }), rl.cat({ x, y }, { dim = 1 })
    for _, name in ipairs { "nss", "auc_judd", "fixation_auc", "shuffled_auc" } do
      assert.same(metrics[name](both, { looked, others }), metrics[name](both, two))
    end
  end)
  it("do not mind scale and offset where they should not", function()
    for _, name in ipairs { "nss", "auc_judd", "fixation_auc" } do
      assert.is_close(metrics[name](q, { looked }), metrics[name](q * 8 + 16, { looked }), 1e-12)
    end
    assert.is_close(metrics.information_gain(q, { looked }, baseline),
      metrics.information_gain(q * 7, { looked }, baseline * 3), 1e-12)
    assert.is_close({ 0 }, metrics.information_gain(q, { looked }, q), 1e-12)
  end)
  it("know the best map and the worst", function()
    local best = as_map(looked)
    assert.same({ 1 }, metrics.fixation_auc(best, { looked }))
    assert.is_close({ 1 }, metrics.auc_judd(best * q, { looked }), 1e-15)
    -- five equal thresholds: the formula starts at FP = 4/37 and comes back to 0
    assert.is_close({ 35 / 37 }, metrics.auc_judd(best, { looked }), 1e-15)
    assert.same({ 0 }, metrics.fixation_auc(-best, { looked }))
    -- 5 of 42 pixels: z = (1 - 5/42)/sqrt(5 * 37/(42 * 41))
    assert.is_close({ (37 / 42) / (5 * 37 / (42 * 41)) ^ 0.5 }, metrics.nss(best, { looked }), 1e-12)
  end)
  it("say what is undefined", function()
    assert.same({ false }, metrics.nss(flat, { looked }))
    assert.same({ false }, metrics.auc_judd(flat, { looked }))
    assert.same({ 0.5 }, metrics.fixation_auc(flat, { looked }))
    assert.same({ false }, metrics.information_gain(flat * 0, { looked }, baseline))
    assert.same({ false }, metrics.information_gain(q, { looked }, baseline * 0))
    assert.same({ false }, metrics.shuffled_auc(q, { looked }))
    for _, name in ipairs { "nss", "auc_judd", "fixation_auc", "shuffled_auc" } do
      assert.same({ false }, metrics[name](q, { {} }))
    end
    assert.same({ false }, metrics.information_gain(q, { {} }, baseline))
    assert.same({ false }, metrics.fixation_auc(q, flat))
  end)
  it("say so too where a pixel is NaN, and nothing about no images", function()
    local holed, no = rl.cat({ q, q }, { dim = 1 }), rl.zeros { 0, 1, H, W }
    holed[{ 1, 1, 6, 1 }] = 0 / 0
    for _, name in ipairs { "nss", "auc_judd", "fixation_auc", "shuffled_auc" } do
      local r, clean = metrics[name](holed, { looked, others }), metrics[name](q, { others })
      assert.equal(false, r[1])
      assert.truthy(r[2] == clean[1] or name == "shuffled_auc" and r[2])
      assert.same({ {}, {} }, { metrics[name](no, {}), metrics[name](no, no) })
    end
    assert.same({}, metrics.information_gain(no, {}, baseline))
  end)
  it("refuse fixations outside the map, and lists of other length", function()
    assert.error_matches(function() metrics.nss(q, { { { 1, 1 }, { 7, 1 } } }) end,
      "metrics.nss: fixation 2 of image 1 is at 7, 1, outside the map of 6x7")
    assert.error_matches(function() metrics.nss(q, {}) end, "metrics.nss: 1 maps, fixations of 0 images")
    assert.error_matches(function() metrics.nss(q, rl.zeros { 1, 1, 3, 3 }) end, "1x1x6x7 against 1x1x3x3")
    assert.error_matches(function() metrics.nss(q, { { { 1 } } }) end, "fixation 1 of image 1 has no x and y")
    assert.error_matches(function() metrics.information_gain(q, { looked }, rl.ones { 1, 1, 2, 2 }) end,
      "the baseline 1x1x2x2")
  end)
end)
