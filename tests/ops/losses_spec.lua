local rl = require "rille"
local gradcheck = require "rille.testing.gradcheck"
local f64 = { dtype = "f64" }
local X = rl.tensor({ { 0.5, -1.25, 2 }, { -0.75, 0.25, 1.5 } }, f64)
local T = rl.tensor({ { 0.2, 0.5, 0.9 }, { 0.7, 0.1, 0.4 } }, f64)
-- From PyTorch 2.13 in f64.
local REFERENCE = {
  mse_loss = {
    mean = { 1.2829166666666667 },
    sum = { 7.6975 },
    none = { { 0.09, 3.0625, 1.2100000000000002 }, { 2.1025, 0.0225, 1.2100000000000002 } },
  },
  l1_loss = {
    mean = { 0.9750000000000001 },
    sum = { 5.8500000000000005 },
    none = { { 0.3, 1.75, 1.1 }, { 1.45, 0.15, 1.1 } },
  },
  binary_cross_entropy_with_logits = {
    mean = { 0.8153596300908245 },
    sum = { 4.892157780544947 },
    none = {
      { 0.8740769841801067, 0.876929081345373,  0.3269280110429724 },
      { 0.9118710061148998, 0.8009394198788435, 1.1014132779827523 },
    },
  },
  kl_div = {
    mean = { -0.49745548327750266 },
    sum = { -2.984732899665016 },
    none = {
      { -0.4218875824868201, 0.27842640972002736, -1.8948244640920437 },
      { 0.2753275392428872,  -0.2552585092994046, -0.9665162927496621 },
    },
    batchmean = { -1.492366449832508 },
  },
}
local CE = {
  plain = 1.4066472962546284,
  weighted = 0.7022321083630709,
  smooth = 0.7432959785105291,
  none = { 0.23262198310203266, 2.580672609407224 },
  ignored = 0.23262198310203266,
}
local TRIPLET = {
  plain = { 0.5000000000001665, 0.566708724523382 },
  swap = { 0.5000000000001665, 0.7412237602515965 },
  batch = 0.5720202647088424,
}

describe("mse_loss, l1_loss, binary_cross_entropy_with_logits, kl_div", function()
  it("equal PyTorch's for every reduction", function()
        for _, name in ipairs { "mse_loss", "l1_loss", "binary_cross_entropy_with_logits", "kl_div" } do
      for _, reduction in ipairs { "mean", "sum", "none", "batchmean" } do
        local w = REFERENCE[name][reduction]
        if w then assert.is_close(w, rl[name](X, T, { reduction = reduction }), 1e-12) end
      end
    end
  end)
  it("stay finite far from zero and count 0 ln 0 as 0", function()
    local x = rl.tensor { 1000, -1000 }
    local loss = rl.binary_cross_entropy_with_logits(x, rl.tensor { 1, 0 }, { reduction = "none" })
    assert.is_close({ 0, 0 }, loss, 1e-6)
    assert.is_close({ 0 }, rl.kl_div(rl.tensor { -1 }, rl.tensor { 0 }), 1e-6)
  end)
  it("sum long runs alike for any number of threads", function()
    local x, t, was = rl.randn { 70000 }, rl.randn { 70000 }, rl.threads()
    local want = rl.mse_loss(x, t):item()
    for n = 1, 4 do
      rl.threads(n)
      assert.are.equal(want, rl.mse_loss(x, t):item())
    end
    rl.threads(was)
  end)
  it("refuse shapes that differ", function()
    assert.error_matches(function() rl.mse_loss(X, T[1]) end, "mse_loss: input is 2x3, target is 3")
    assert.error_matches(function() rl.l1_loss(X, T, { reduction = "avg" }) end,
      "it is one of: mean sum none batchmean")
  end)
end)

describe("softmax, log_softmax", function()
  it("sums to 1, also far from zero and along a middle dim", function()
    local x = rl.tensor({ { 1000, 1001 }, { -5, 5 } }, f64)
    local y = rl.softmax(x, -1)
    local want = { { 0.2689414213699951, 0.7310585786300049 }, { 4.539786870243442e-05, 0.9999546021312976 } }
    assert.is_close(want, y, 1e-12)
    assert.is_close(rl.softmax(x:t(), -1):t(), rl.softmax(x, 1), 1e-15)
    assert.is_close(rl.log(y), rl.log_softmax(x, -1), 1e-12)
    assert.is_close({ { 0, 0 }, { -1005, -996 } }, rl.log_softmax(x, 1), 1e-9)
  end)
end)

describe("cross_entropy", function()
  local label = rl.tensor({ 3, 1 }, { dtype = "i64" })
  it("equals PyTorch's with weights, smoothing and ignored places", function()
    local w = rl.tensor({ 0.5, 1, 2 }, f64)
    assert.is_close({ CE.plain }, rl.cross_entropy(X, label), 1e-12)
    assert.is_close({ CE.weighted }, rl.cross_entropy(X, label, w), 1e-12)
    assert.is_close({ CE.smooth }, rl.cross_entropy(X, label, w, { label_smoothing = 0.1 }), 1e-12)
    assert.is_close(CE.none, rl.cross_entropy(X, label, { reduction = "none" }), 1e-12)
    assert.is_close({ CE.ignored }, rl.cross_entropy(X, rl.tensor({ 3, -100 }, { dtype = "i64" })), 1e-12)
  end)
  it("has the right gradient with weights, smoothing, and over images", function()
    local w = rl.tensor({ 0.5, 1, 2 }, f64)
    gradcheck(function(x) return rl.cross_entropy(x, label, w, { label_smoothing = 0.2 }) end, { X:clone() })
    local places = rl.tensor({ { { 1, 3 }, { 2, -100 } } }, { dtype = "i64" })
    gradcheck(function(x) return rl.cross_entropy(x, places) end, { rl.randn({ 1, 3, 2, 2 }, f64) })
  end)
  it("names the class that is not there", function()
    assert.error_matches(function() rl.cross_entropy(X, rl.tensor({ 4, 1 }, { dtype = "i64" })) end,
      "cross_entropy: index 4 at place 1 is not between 1 and 3")
    assert.error_matches(function() rl.cross_entropy(X, rl.tensor({ 0, 1 }, { dtype = "i64" })) end,
      "positions start at 1")
    assert.error_matches(function() rl.cross_entropy(X, rl.tensor({ 1 }, { dtype = "i64" })) end,
      "logits are 2x3, targets 1")
  end)
end)

describe("saliency_kl", function()
  it("has the published check values", function()
    local x = rl.tensor({ { 0, 1, 2, 3 } }, f64)
    assert.is_close({ 0.160335 }, rl.saliency_kl(x, rl.tensor({ { 0.1, 0.2, 0.3, 0.4 } }, f64)), 1e-6)
    local g = rl.zeros({ 1, 1, 320, 256 })
    g[{ 1, 1, 7, 9 }] = 1
    assert.is_close({ math.log(81920) }, rl.saliency_kl(rl.zeros { 1, 1, 320, 256 }, g), 1e-6)
  end)
  it("equals its plain form, gradient included", function()
    local x = rl.randn({ 2, 1, 4, 5 }, { dtype = "f64", requires_grad = true })
    local g = rl.softmax(rl.randn({ 2, 20 }, f64), -1):reshape { 2, 1, 4, 5 }
    local logs = rl.log_softmax(x:reshape { 2, 20 }, -1)
    local plain = rl.kl_div(logs, g:reshape { 2, 20 }, { reduction = "batchmean" })
    local fused = rl.saliency_kl(x, g)
    assert.is_close(plain, fused, 1e-13)
    assert.is_close(rl.grad(plain, x), rl.grad(fused, x), 1e-13)
  end)
  it("refuses maps that differ", function()
    local x, g = rl.zeros { 2, 1, 4, 4 }, rl.zeros { 2, 1, 4, 5 }
    assert.error_matches(function() rl.saliency_kl(x, g) end, "the map is 2x1x4x4, the target 2x1x4x5")
  end)
end)

describe("triplet_margin_loss, batch_triplet_loss", function()
  local z = rl.tensor({ { 0, 0 }, { 1, 0 }, { 0, 1.5 }, { 2, 2 } }, f64)
  it("have the published check value", function()
    local a, p, n = rl.zeros({ 1, 2 }, f64), rl.tensor({ { 1, 0 } }, f64), rl.tensor({ { 0, 1.5 } }, f64)
    assert.is_close({ 0.5 }, rl.triplet_margin_loss(a, p, n), 1e-5)
  end)
  it("equal PyTorch's, swapped too", function()
    local a, p, n = z[{ { 1, 2 } }], z[{ { 2, 3 } }], z[{ { 3, 4 } }]
    assert.is_close(TRIPLET.plain, rl.triplet_margin_loss(a, p, n, { reduction = "none" }), 1e-12)
    assert.is_close(TRIPLET.swap, rl.triplet_margin_loss(a, p, n, { reduction = "none", swap = true }), 1e-12)
  end)
  it("run over all triplets of a batch", function()
    local label = rl.tensor({ 1, 1, 2, 2 }, { dtype = "i64" })
    assert.is_close({ TRIPLET.batch }, rl.batch_triplet_loss(z, label, { margin = 1 }), 1e-12)
    gradcheck(function(x) return rl.batch_triplet_loss(x, label, { margin = 4 }) end, { z:clone() })
  end)
  it("are 0 with gradient 0 where there is no triplet", function()
    local x = rl.tensor({ { 1, 2 }, { 3, 4 } }, { dtype = "f64", requires_grad = true })
    local loss = rl.batch_triplet_loss(x, rl.tensor({ 1, 1 }, { dtype = "i64" }))
    assert.is_close({ 0 }, loss, 0)
    assert.is_close({ { 0, 0 }, { 0, 0 } }, rl.grad(loss, x), 0)
  end)
end)
