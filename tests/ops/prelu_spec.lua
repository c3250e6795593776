-- Closed forms; the gradient's sums against plain ops.
local rl, gradcheck = require "rille", require "rille.testing.gradcheck"
local wave = require "support.wave"
local f64 = { dtype = "f64" }
local leaf = { dtype = "f64", requires_grad = true }

-- x away from the kink, both signs.
local function away(shape)
  local x = wave(shape, 0.4, f64)
  return x + rl.where(x:gt(0), rl.full({}, 0.2, f64), rl.full({}, -0.2, f64))
end

describe("prelu", function()
  it("keeps what is positive and weighs the rest", function()
    local x = rl.tensor({ { -2, 3 }, { 0, -1 } }, f64)
    assert.is_close({ { -0.5, 3 }, { 0, -0.25 } }, rl.prelu(x, rl.tensor({ 0.25 }, f64)), 0)
    assert.is_close({ { -1, 3 }, { 0, 4 } }, rl.prelu(x, rl.tensor({ 0.5, -4 }, f64)), 0)
  end)
  it("says what plain ops say, over channels in every place", function()
    for _, shape in ipairs { { 40, 33 }, { 3, 16, 7, 5 }, { 2, 3, 700 }, { 2, 3, 2, 2, 3 } } do
      local x, w = away(shape):requires_grad_(), wave({ shape[2] }, 2, leaf)
      local seed, wide = wave(shape, 7, f64), { shape[2] }
      for d = 3, #shape do wide[d - 1] = 1 end
      local y = rl.prelu(x, w)
      local plain = rl.where(x:gt(0), x, x * w:reshape(wide))
      assert.is_close(plain, y, 0)
      local want = rl.grads({ (plain * seed):sum() }, { x, w })[1]
      local got = rl.grads({ (y * seed):sum() }, { x, w })[1]
      assert.is_close(want[1], got[1], 0)
      assert.is_close(want[2], got[2], 1e-11)
    end
  end)
  it("has the right gradient, also through views", function()
    local one, three = rl.tensor({ 0.3 }, f64), rl.tensor({ 0.3, -0.5, 1.5 }, f64)
    gradcheck(rl.prelu, { away { 5, 4 }, one })
    gradcheck(rl.prelu, { away { 2, 3, 3, 2 }, three })
    gradcheck(function(x, w) return rl.prelu(x:transpose(1, 2), w:select(2, 1)) end,
      { away { 3, 4 }, wave({ 3, 2 }, 3, f64) })
  end)
  it("adds over many elements in f32 without losing them", function()
    local x, w = rl.full({ 1, 2, 300, 300 }, -1), rl.tensor({ 0.25, 0.5 }, { requires_grad = true })
    assert.is_close({ -9e4, -9e4 }, rl.grad(rl.prelu(x, w):sum(), w), 0)
  end)
  it("takes edges: nothing, numbers, NaN and infinity", function()
    local w = rl.tensor({ 0.5 }, f64)
    assert.same({ 0, 3 }, rl.prelu(rl.ones({ 0, 3 }, f64), w).shape)
    assert.is_close(-1, rl.prelu(rl.tensor(-2, f64), w), 0)
    local y = rl.prelu(rl.tensor({ 0 / 0, -math.huge, math.huge }, f64), w)
    assert.is_close({ 0 / 0, -math.huge, math.huge }, y, 0)
  end)
  it("refuses weights that do not fit", function()
    assert.error_matches(function() rl.prelu(rl.ones { 2, 3 }, rl.ones { 2 }) end,
      "prelu: weight is 2, x is 2x3")
    assert.error_matches(function() rl.prelu(rl.ones { 3 }, rl.ones { 3 }) end, "prelu: weight is 3, x is 3")
  end)
end)
