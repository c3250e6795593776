local rl, gradcheck = require "rille", require "rille.testing.gradcheck"
local wave = require "support.wave"
local f64 = { dtype = "f64" }
local leaf = { dtype = "f64", requires_grad = true }

local function operands(options)
  return wave({ 2, 3, 2, 2 }, 0.5, options), wave({ 3 }, 3, f64), wave({ 3 }, 4, f64):abs() + 0.5,
    wave({ 3 }, 1, options), wave({ 3 }, 2, options)
end

describe("batch_norm", function()
  it("agrees with PyTorch in training", function()
    local x, mean, var, w, b = operands(f64)
    for _, t in ipairs { x, w, b } do t.requires_grad = true end
    local y = rl.batch_norm(x, mean, var, w, b, { training = true, momentum = 0.2, eps = 1e-3 })
    assert.is_close({ -0.9939021286, -1.461721596, -0.9099291387, -1.272036183, 2.026951302, 0.4930963281,
      -0.2804356566, -0.1984474244, -0.664564768, -2.152438408, -0.2894859797, 0.1337170348, -1.301775331,
      -1.251203578, -0.8669319228, -1.102111914, 1.282147198, 1.305422397, 0.3932802283, -0.8305183849,
      -0.7508128127, -1.412163471, 0.387851742, -0.6355583833 }, y:reshape { 24 }, 1e-8)
    assert.is_close({ -1.115452007, 1.205866621, -1.215629046 }, mean, 1e-8)
    assert.is_close({ 0.9284558255, 1.422640259, 1.263823589 }, var, 1e-8)
    ;(y * wave(y.shape, 9, f64)):sum():backward()
    assert.is_close({ -0.1756536701, -0.04949588147, -0.06991135065, 0.1568158145, 1.052592925, 1.194812151,
      0.6972192244, 0.7715456808, -1.121541652, -0.6759163059, 1.615932567, -0.6811592544, 0.136633715,
      -0.3146380794, 0.0906625653, 0.2255868868, -0.9302330889, -0.9154592383, -1.264427756, -0.6060498982,
      -1.149820659, 0.9826153337, -0.4611968437, 1.491086814 }, x.grad:reshape { 24 }, 1e-8)
    assert.is_close({ -7.442760702, -6.300270689, -5.659711604 }, w.grad, 1e-8)
    assert.is_close({ 0.4734698357, -0.9349291759, -0.7484361295 }, b.grad, 1e-8)
  end)
  it("agrees with PyTorch on running statistics, which then stay", function()
    local x, mean, var, w, b = operands(f64)
    for _, t in ipairs { x, w, b } do t.requires_grad = true end
    local was = mean:clone()
    local y = rl.batch_norm(x, mean, var, w, b, { eps = 1e-3 })
    assert.is_close({ -0.6652074992, -1.130656383, -0.5816600261, -0.9419321636, 2.511929724, 1.438124158,
      0.8965977649, 0.9539952514, 0.2111912777, -0.6601995481, 0.4308606141, 0.6787144737, -0.9715206146,
      -0.9212051238, -0.5388806902, -0.7728689529, 1.990514854, 2.006809118, 1.368245919, 0.5115014515,
      0.1606790885, -0.2266487603, 0.827551476, 0.2281792106 }, y:reshape { 24 }, 1e-8)
    assert.is_close(was, mean, 0)
    ;(y * wave(y.shape, 9, f64)):sum():backward()
    assert.is_close({ -0.3101863273, 0.2726626968, -0.287070073, 0.2924964607, -0.126356836, 0.9400402324,
      1.079270294, 1.07962442, -0.7213782075, 0.4168035373, 0.660723242, -0.9341008474, 0.3014889987,
      -0.1969339508, -0.1693430121, 0.1948046418, -1.045001651, -1.049329963, -0.7186823834, 0.513624164,
      -0.6870914447, 0.9517031643, -0.9551058012, 0.7916375024 }, x.grad:reshape { 24 }, 1e-8)
    assert.is_close({ -6.612496627, -3.43812429, -4.175453686 }, w.grad, 1e-8)
    assert.is_close({ 0.4734698357, -0.9349291759, -0.7484361295 }, b.grad, 1e-8)
  end)
  it("has the right gradients for rank 2, 3 and 4, in both modes, through views", function()
    local shapes = { { 5, 3 }, { 2, 3, 4 }, { 2, 3, 2, 2 } }
    for i, shape in ipairs(shapes) do
      local inputs = { wave(shape, i, leaf), wave({ 3 }, 1, leaf), wave({ 3 }, 2, leaf) }
      gradcheck(function(x, w, b) return rl.batch_norm(x, nil, nil, w, b, { training = true }) end, inputs)
      local mean, var = wave({ 3 }, 3, f64), wave({ 3 }, 4, f64):abs() + 0.5
      gradcheck(function(x, w, b) return rl.batch_norm(x, mean, var, w, b) end, inputs)
    end
    gradcheck(function(x) return rl.batch_norm(x:t(), { training = true }) end, { wave({ 3, 5 }, 1, leaf) })
  end)
  it("takes several cotangents at once", function()
    local x, w = wave({ 4, 20, 3, 3 }, 1, leaf), wave({ 20 }, 2, leaf)
    local y = rl.batch_norm(x, nil, nil, w, nil, { training = true })
    local l1, l2 = (y * wave(y.shape, 3, f64)):sum(), (y * y * wave(y.shape, 4, f64)):sum()
    local both = rl.grads({ l1, l2 }, { x, w }, { retain = true })
    for k, l in ipairs { l1, l2 } do
      local one = rl.grad(l, { x, w }, { retain = true })
      assert.is_close(one[1], both[k][1], 1e-12)
      assert.is_close(one[2], both[k][2], 1e-12)
    end
  end)
  it("is exact far from zero and on a constant channel", function()
    local x = (wave({ 64, 3 }, 1, f64) + 1e6):float()
    local y = rl.batch_norm(x, { training = true, eps = 1e-12 })
    assert.is_close({ 1, 1, 1 }, (y * y):mean(1), 1e-2) -- x itself is rounded to 1/16
    local still = rl.batch_norm(rl.full({ 8, 2 }, 1234.5), { training = true })
    assert.is_close(rl.zeros { 8, 2 }, still, 0)
  end)
  it("keeps a NaN in its own channel", function()
    local x = rl.tensor { { 0 / 0, 1 }, { 2, 3 } }
    local y = rl.batch_norm(x, { training = true }):tolist()
    assert.is_true(y[1][1] ~= y[1][1] and y[2][2] > 0.99)
  end)
  it("gives the same bits with 1 to 4 threads", function()
    local x, seed, first = wave({ 3, 33, 40, 41 }, 1):float(), wave({ 3, 33, 40, 41 }, 2):float(), nil
    for threads = 1, 4 do
      local was = rl.threads()
      rl.threads(threads)
      local xl = x:detach()
      xl.requires_grad = true
      local y = rl.batch_norm(xl, { training = true })
      local got = { y:tolist(), rl.grad(y, xl, { seed = seed }):tolist() }
      rl.threads(was)
      first = first or got
      assert.same(first, got)
    end
  end)
  it("refuses what has no statistics and what does not fit", function()
    assert.error_matches(function() rl.batch_norm(rl.ones { 1, 3 }, { training = true }) end,
      "batch_norm: x is 1x3, one value per channel")
    assert.error_matches(function() rl.batch_norm(rl.ones { 2, 3 }) end, "batch_norm: without running")
    assert.error_matches(function() rl.batch_norm(rl.ones { 3 }, { training = true }) end,
      "batch_norm: x is 3; it takes")
    assert.error_matches(function()
      rl.batch_norm(rl.ones { 2, 3 }, rl.ones { 2 }, rl.ones { 2 }, { training = true })
    end, "batch_norm: running_mean is 2 for 3 channels")
  end)
end)
