-- Losses of self-supervision: values worked out by hand, and both forms of the covariance.
local gradcheck = require "rille.testing.gradcheck"
local rl = require "rille"
local F = rl.nn.functional
local f64 = { dtype = "f64" }

describe("VICReg", function()
  local a, b = rl.tensor({ { 1, 2 }, { 3, 4 }, { 5, 7 } }, f64), rl.tensor({ { 1, 1 }, { 2, 4 }, { 6, 6 } },
    f64)
  it("has the published values, in both forms of the covariance", function()
    for _, form in ipairs { "samples", "dims", "auto" } do
      for scale, want in pairs { [1] = { 2 / 3, 0, 61, 77.666666666667 },
        [0.1] = { 0.0066666666667, 0.7578166528736, 0.0061, 19.118182988507 } } do
        local t = F.vicreg_terms(a * scale, b * scale, { form = form })
        local loss = F.vicreg_loss(a * scale, b * scale, { form = form })
        assert.is_close(want, { t.inv:item(), t.var:item(), t.cov:item(), loss:item() }, 1e-11)
      end
    end
  end)
  it("has one value and one gradient whether N or K is the larger", function()
    for _, shape in ipairs { { 3, 7 }, { 9, 4 } } do
      local x, y = rl.randn(shape, { dtype = "f64", requires_grad = true }), rl.randn(shape, f64)
      local g = {}
      for k, form in ipairs { "samples", "dims" } do
        local loss = F.vicreg_loss(x * 0.3, y, { form = form, invariance = 2, variance = 3, covariance = 5 })
        g[k] = { loss:item(), rl.grads({ loss }, { x })[1][1] }
      end
      assert.is_close(g[1][1], g[2][1], 1e-12)
      assert.is_close(g[1][2], g[2][2], 1e-13)
      gradcheck(function(p, q) return F.vicreg_loss(p * 0.3, q) end, { x:detach(), y })
    end
  end)
  it("refuses a batch of one, and embeddings of two shapes", function()
    assert.error_matches(function() F.vicreg_terms(rl.zeros { 1, 3 }, rl.zeros { 1, 3 }) end, "two rows")
    assert.error_matches(function() F.vicreg_loss(rl.zeros { 2, 3 }, rl.zeros { 2, 4 }) end,
      "of one shape, not 2x3 and 2x4")
  end)
end)

describe("SimSiam and BYOL", function()
  local p, q = rl.tensor({ { 3, 4 }, { 1, 0 } }, f64), rl.tensor({ { 4, 3 }, { 0, 2 } }, f64)
  it("measure cosines, without a gradient into the other side", function()
    assert.is_close({ 0.96, 0 }, F.cosine_similarity(p, q), 1e-15)
    assert.is_close(-0.48, F.simsiam_loss(p, p, q, q):item(), 1e-15)
    assert.is_close(2 * (2 - 0.96), F.byol_loss(p, p, q, q):item(), 1e-15)
    assert.is_close(0, F.byol_loss(p, q, p * 2, q * 3):item() - F.byol_loss(p, q, p, q):item(), 1e-15)
    local x = rl.randn({ 2, 2 }, { dtype = "f64", requires_grad = true })
    assert.is_close(rl.zeros({ 2, 2 }, f64), rl.grads({ F.simsiam_loss(p + x * 0, p, x, x) }, { x })[1][1], 0)
    gradcheck(function(u, v) return F.simsiam_loss(u, v, p, q) + F.byol_loss(u, v, q, p) end, { p, q * 0.7 })
  end)
  it("let a target follow", function()
    local target, other = rl.nn.Linear(2, 3), rl.nn.Linear(2, 3)
    local want = target.weight:detach() * 0.75 + other.weight:detach() * 0.25
    F.follow(target, other, 0.75)
    assert.is_close(want, target.weight:detach(), 1e-6)
    F.follow(target, other, 0)
    assert.is_close(other.bias:detach(), target.bias:detach(), 1e-7)
  end)
end)

describe("collapse", function()
  it("is told by the deviation and the effective rank", function()
    local one = rl.tensor({ { 1, 2, 3 }, { 2, 4, 6 }, { 3, 6, 9 }, { 0, 0, 0 } }, f64)
    assert.is_close(1, F.collapse(one).rank, 1e-12) -- one direction
    assert.is_close((1 + 2 + 3) / 3 * (5 / 3) ^ 0.5, F.collapse(one).deviation, 1e-12)
    local eye = rl.tensor({ { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 } }, f64)
    assert.is_close(2, F.collapse(eye).rank, 1e-12)
    local wide = rl.tensor({ { 1, 0, 0, 0, 0 }, { -1, 0, 0, 0, 0 }, { 0, 1, 0, 0, 0 }, { 0, -1, 0, 0, 0 } },
      f64)
    assert.is_close(2, F.collapse(wide).rank, 1e-12)
    assert.same({ deviation = 0, rank = 0 }, F.collapse(rl.ones({ 3, 2 }, f64)))
  end)
end)
