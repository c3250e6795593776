local rl = require "rille"
local metrics = rl.metrics

local function map(list) return rl.tensor(list):reshape { 1, 1, 2, #list // 2 } end

describe("maps", function()
  -- reference values for logits 0, 1, 2, 3 and target 0.1, 0.2, 0.3, 0.4
  local logits, g = map { 0, 1, 2, 3 }, map { 0.1, 0.2, 0.3, 0.4 }

  it("gives the reference values", function()
    local q = metrics.density(logits)
    assert.is_close({ 0.160335 }, metrics.saliency_kl(logits, g), 1e-6)
    assert.is_close({ 0.756086 }, metrics.hs(q, g), 1e-6)
    assert.is_close({ 0.926942 }, metrics.cc(q, g), 1e-6)
    assert.is_close(1, q:sum():item(), 1e-12)
  end)
  it("is ln of the number of pixels for an even map against one pixel", function()
    local one = rl.zeros { 1, 1, 320, 256 }
    one[{ 1, 1, 7, 9 }] = 1
    assert.is_close({ math.log(81920) }, metrics.saliency_kl(rl.zeros { 1, 1, 320, 256 }, one), 1e-9)
  end)
  it("does not mind scale and offset where it should not", function()
    assert.is_close(metrics.cc(logits, g), metrics.cc(logits * 1e-3 + 100, g * 7), 1e-4)
    assert.is_close(metrics.hs(logits, g), metrics.hs(logits * 5, g * 7), 1e-6)
    assert.is_close({ 1 }, metrics.hs(g, g * 3), 1e-6)
  end)
  it("works image by image, and says what is undefined", function()
    local two = rl.cat({ g, rl.zeros { 1, 1, 2, 2 } }, { dim = 1 })
    local q = rl.cat({ g, g }, { dim = 1 })
    assert.same({ 1, false }, { math.floor(metrics.cc(q, two)[1] + 0.5), metrics.cc(q, two)[2] })
    assert.equal(false, metrics.hs(q, two)[2])
    assert.equal(false, metrics.saliency_kl(q, two)[2])
  end)
  it("refuses maps of different size", function()
    assert.error_matches(function() metrics.cc(g, rl.zeros { 1, 1, 3, 2 }) end,
      "metrics.cc: 1x1x2x2 against 1x1x3x2")
  end)
  it("has the benchmark's KLD and SIM (numpy 2)", function()
    local q, t = {}, {}
    for i = 1, 42 do q[i], t[i] = ((i * 37 + 3) % 41) / 41 + 0.1, (i * 29 % 43 / 43) ^ 2 end
    local f64 = { dtype = "f64" }
    q, t = rl.tensor(q, f64):reshape { 1, 6, 7 }, rl.tensor(t, f64):reshape { 1, 6, 7 }
    assert.is_close({ 0.6212286127613887 }, metrics.kld(q, t), 1e-12)
    assert.is_close({ 0.5482804645882138 }, metrics.sim(q, t), 1e-12)
    assert.is_close(metrics.kld(q, t), metrics.kld(q * 5, t * 2), 1e-12)
    assert.is_close(metrics.sim(q, t), metrics.sim(q * 5 + 1, t * 2 - 3), 1e-12)
    assert.is_close({ { 0 }, { 1 } }, { metrics.kld(t, t), metrics.sim(t, t) }, 1e-12)
  end)
  it("has no SIM of a constant map, no KLD of a zero map", function()
    local even, zero = rl.ones { 1, 1, 2, 2 }, rl.zeros { 1, 1, 2, 2 }
    assert.same({ { false }, { false } }, { metrics.sim(even, g), metrics.sim(g, even) })
    assert.same({ { false }, { false } }, { metrics.kld(zero, g), metrics.kld(g, zero) })
    -- eps keeps it finite where q has nothing: 0.3 ln(0.3/eps) + 0.4 ln(0.4/eps) + ..
    local want = 0.1 * math.log(0.1 / 0.5) + 0.2 * math.log(0.2 / 0.5)
      + 0.3 * math.log(0.3 / 2.2204e-16) + 0.4 * math.log(0.4 / 2.2204e-16)
    assert.is_close({ want }, metrics.kld(map { 1, 1, 0, 0 }, g), 1e-6)
  end)
end)
