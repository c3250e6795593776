local rl, gradcheck = require "rille", require "rille.testing.gradcheck"
local wave = require "support.wave"
local leaf = { dtype = "f64", requires_grad = true }

describe("dropout", function()
  it("keeps 1 - p of the elements and divides them by 1 - p", function()
    rl.manual_seed(5)
    local n = 200000
    for _, p in ipairs { 0.1, 0.25, 0.5, 0.9 } do
      local y = rl.dropout(rl.ones { n }, p)
      local kept = y:ne(0):float():sum():item() / n
      local deviation = math.sqrt(p * (1 - p) / n)
      assert.is_true(math.abs(kept - (1 - p)) < 5 * deviation)
      assert.is_close(1 / (1 - p), y:max():item(), 1e-6)
    end
  end)
  it("drops the elements whose number in the stream is below p", function()
    rl.manual_seed(8)
    local u = rl.rand({ 101 }, { dtype = "f64" })
    rl.manual_seed(8)
    local y = rl.dropout(rl.ones({ 101 }, { dtype = "f64" }), 0.3)
    assert.same(u:ge(0.3):tolist(), y:gt(0):tolist())
  end)
  it("drops the same elements whatever the layout, and others the next time", function()
    local x = wave({ 2, 3, 4, 5 }, 1)
    rl.manual_seed(3)
    local a = rl.dropout(x)
    local other = rl.dropout(x)
    rl.manual_seed(3)
    local b = rl.dropout(x:contiguous { format = "channels_last" })
    assert.is_close(a, b, 0)
    assert.is_true((a - other):abs():sum():item() > 0)
  end)
  it("has the right gradient, and none through what was dropped", function()
    gradcheck(function(x) return rl.dropout(x:t(), 0.4) end, { wave({ 5, 7 }, 2, leaf) })
    local x = wave({ 50 }, 2, leaf)
    local y = rl.dropout(x, 0.5)
    assert.is_close(y, rl.grad(y:sum(), x) * x, 1e-12)
  end)
  it("is x itself where p is 0 or training is off, and 0 where p is 1", function()
    local x = wave({ 4, 5 }, 3, leaf)
    for _, opts in ipairs { { p = 0 }, { p = 0.5, training = false } } do
      assert.is_close(x, rl.dropout(x, opts), 0)
      assert.is_close(rl.ones { 4, 5 }, rl.grad(rl.dropout(x, opts):sum(), x), 0)
    end
    assert.is_close(rl.zeros { 4, 5 }, rl.dropout(x, 1), 0)
    assert.is_close({ 0 }, rl.dropout(rl.tensor { math.huge }, 1), 0)
  end)
  it("refuses a p outside 0 to 1", function()
    assert.error_matches(function() rl.dropout(rl.ones { 2 }, 1.5) end, "dropout: p = 1.5")
    assert.error_matches(function() rl.dropout(rl.ones { 2 }, 0 / 0) end, "dropout: p =")
  end)
end)
