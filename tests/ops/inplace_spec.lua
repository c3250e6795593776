-- Rows that change their first input.
local rl = require "rille"

describe("copy_", function()
  it("broadcasts, casts, and returns the same tensor", function()
    local x = rl.zeros { 2, 3 }
    local y = x:copy_(rl.tensor({ 1, 2, 3 }, { dtype = "i64" }))
    assert.is_close({ { 1, 2, 3 }, { 1, 2, 3 } }, x)
    y:fill_(4)
    assert.is_close({ { 4, 4, 4 }, { 4, 4, 4 } }, x)
    assert.is_close({ { 7, 7, 7 }, { 7, 7, 7 } }, x:copy_(7))
  end)
  it("may copy a tensor onto its own neighbour", function()
    local x = rl.arange(40000):to "f32"
    x:narrow(1, 2, 39999):copy_(x:narrow(1, 1, 39999))
    assert.are.equal(1, x[2]:item())
    assert.are.equal(39999, x[40000]:item())
    local m = rl.tensor { { 1, 2 }, { 3, 4 } }
    m:copy_(m:t())
    assert.is_close({ { 1, 3 }, { 2, 4 } }, m)
  end)
  it("refuses what does not fit", function()
    assert.error_matches(function() rl.zeros({ 2 }):copy_(rl.zeros { 3 }) end,
      "copy_: 2 and 3 do not broadcast")
    assert.error_matches(function() rl.zeros({ 1 }):copy_(rl.zeros { 3 }) end, "copy_: 3 does not fit into 1")
    assert.error_matches(function() rl.zeros({ 2 }, { requires_grad = true }):copy_(1) end,
      "cannot be changed in place")
  end)
end)

describe("fill_", function()
  it("fills, also a part of a tensor", function()
    local x = rl.zeros({ 2, 3 }, { dtype = "i32" })
    x:select(2, 2):fill_(-5)
    assert.is_close({ { 0, -5, 0 }, { 0, -5, 0 } }, x)
    assert.are.same({ 0 }, rl.zeros({ 0 }):fill_(1).shape)
    assert.error_matches(function() x:fill_() end, "fill_: value is missing")
  end)
end)

describe("zero_", function()
  it("zeroes, also NaN", function()
    assert.is_close({ 0, 0 }, rl.full({ 2 }, 0 / 0):zero_())
    assert.error_matches(function() rl.ones({ 1 }):expand({ 3 }):zero_() end, "its elements share memory")
  end)
end)

describe("add_", function()
  it("adds alpha times a source", function()
    local x = rl.tensor { { 1, 2 }, { 3, 4 } }
    x:add_(rl.tensor { 10, 20 }, { alpha = 0.5 })
    assert.is_close({ { 6, 12 }, { 8, 14 } }, x)
    x:t():add_(x)
    assert.is_close({ { 12, 20 }, { 20, 28 } }, x)
    assert.is_close({ { 13, 21 }, { 21, 29 } }, x:add_(1))
  end)
  it("refuses integers and mixed floats", function()
    assert.error_matches(function() rl.ones({ 1 }, { dtype = "i64" }):add_(1) end, "add_: x is i64")
    assert.error_matches(function() rl.ones({ 1 }):add_(rl.ones({ 1 }, { dtype = "f64" })) end,
      "add_: source is f64")
    assert.error_matches(function() rl.ones({ 1 }):add_(rl.ones { 2 }) end, "add_: 2 does not fit into 1")
  end)
end)

describe("mul_", function()
  it("multiplies, also a tensor by itself", function()
    local x = rl.tensor { { 1, 2 }, { 3, 4 } }
    assert.is_close({ { 2, 4 }, { 6, 8 } }, x:mul_(2))
    assert.is_close({ { 4, 16 }, { 36, 64 } }, x:mul_(x))
    assert.is_close({ { 4, 32 }, { 36, 128 } }, x:mul_(rl.tensor { 1, 2 }))
    assert.error_matches(function() x:mul_(rl.ones { 3 }) end, "mul_: 2x2 and 3 do not broadcast")
  end)
end)
