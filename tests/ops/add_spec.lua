local rl = require "rille"

describe("add", function()
  it("adds with broadcasting and alpha", function()
    local a, b = rl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }, rl.tensor { 10, 20, 30 }
    assert.is_close({ { 11, 22, 33 }, { 14, 25, 36 } }, a + b)
    assert.is_close({ { -9, -18, -27 }, { -6, -15, -24 } }, rl.add(a, b, { alpha = -1 }))
    assert.is_close({ 3, 4, 5 }, 2 + rl.tensor { 1, 2, 3 })
  end)
  it("passes gradients to both sides, folded where one was stretched", function()
    local a = rl.tensor({ { 1, 2 }, { 3, 4 } }, { requires_grad = true })
    local b = rl.tensor({ 1, 1 }, { requires_grad = true })
    local y = ((a + b) * (a + b)):sum()
    y:backward()
    assert.is_close({ { 4, 6 }, { 8, 10 } }, a.grad)
    assert.is_close({ 12, 16 }, b.grad)
  end)
  it("refuses shapes that do not broadcast", function()
    assert.error_matches(function() return rl.tensor { 1, 2 } + rl.tensor { 1, 2, 3 } end,
      "add: 2 and 3 do not broadcast")
  end)
end)
