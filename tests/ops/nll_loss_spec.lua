local rl, gradcheck = require "rille", require "rille.testing.gradcheck"
local wave = require "support.wave"
local f64 = { dtype = "f64" }
local leaf = { dtype = "f64", requires_grad = true }
local target = rl.tensor({ { 1, 3 }, { -100, 2 } }, { dtype = "i64" })

local function both(opts)
  local x, w = wave({ 2, 3, 2 }, 0.3, leaf), wave({ 3 }, 4, f64):abs() + 0.5
  local y = rl.nll_loss(x, target, w, opts)
  local seed = #y.shape > 0 and wave(y.shape, 9, f64) or nil
  return y:reshape { -1 }, rl.grad(y, x, { seed = seed }):reshape { -1 }
end

describe("nll_loss", function()
  it("agrees with PyTorch for every reduction, with weights and an ignored place", function()
    local y, d
    y, d = both()
    assert.is_close({ 0.1166760733 }, y, 1e-9)
    assert.is_close({ -0.2317573161, 0, 0, 0, 0, -0.3686163778, 0, 0, 0, -0.3996263061, 0, 0 }, d, 1e-9)
    y, d = both { reduction = "sum" }
    assert.is_close({ 0.4554628203 }, y, 1e-9)
    assert.is_close({ -0.9046999771, 0, 0, 0, 0, -1.438950166, 0, 0, 0, -1.560002144, 0, 0 }, d, 1e-9)
    y, d = both { reduction = "none" }
    assert.is_close({ -1.002867087, -0.701767539, 0, 2.160097446 }, y, 1e-9)
    assert.is_close({ 1.356908766, 0, 0, 0, 0, -1.897120416, 0, 0, 0, -2.206323693, 0, 0 }, d, 1e-9)
  end)
  it("has the right gradient, and after log_softmax that of cross_entropy", function()
    gradcheck(function(x) return rl.nll_loss(x:transpose(1, 3), target) end, { wave({ 2, 3, 2 }, 1, leaf) })
    local x = wave({ 2, 3, 2 }, 1, leaf)
    local a, b = rl.nll_loss(rl.log_softmax(x, 2), target), rl.cross_entropy(x, target)
    assert.is_close(b, a, 1e-12)
    assert.is_close(rl.grad(b, x), rl.grad(a, x), 1e-12)
  end)
  it("adds to a gradient that is there", function()
    local x = wave({ 2, 3, 2 }, 1, leaf)
    local one = rl.grad(rl.nll_loss(x, target), x)
    assert.is_close(one * 3, rl.grad(rl.nll_loss(x, target) + rl.nll_loss(x, target) * 2, x), 1e-14)
  end)
  it("has no mean where every place is ignored, but a sum", function()
    local none = rl.full({ 2 }, -100, { dtype = "i64" })
    local mean = rl.nll_loss(rl.zeros { 2, 3 }, none):item()
    assert.is_true(mean ~= mean)
    assert.same(0, rl.nll_loss(rl.zeros { 2, 3 }, none, { reduction = "sum" }):item())
  end)
  it("refuses classes that are not there and shapes that do not fit", function()
    local x, t = rl.zeros { 2, 3 }, rl.tensor({ 1, 4 }, { dtype = "i64" })
    assert.error_matches(function() rl.nll_loss(x, t) end, "nll_loss: index 4 at place 2")
    assert.error_matches(function() rl.nll_loss(x, t - 1) end, "nll_loss: index 0 at place 1")
    assert.error_matches(function() rl.nll_loss(rl.zeros { 3, 3 }, t) end, "nll_loss: log_p is 3x3, target 2")
    assert.error_matches(function() rl.nll_loss(x, t, rl.ones { 2 }) end, "nll_loss: weight is 2")
    assert.error_matches(function() rl.nll_loss(x, t, { reduction = "batchmean" }) end, "mean sum none")
  end)
end)
