-- Joining and cutting.
local rl = require "rille"

local f64 = { dtype = "f64" }

describe("cat", function()
  it("joins along any dim", function()
    local a, b = rl.tensor { { 1, 2 } }, rl.tensor { { 3, 4 }, { 5, 6 } }
    assert.is_close({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, rl.cat({ a, b }, 1))
    assert.is_close({ { 1, 2, 1 } }, rl.cat({ a, a:narrow(2, 1, 1) }, -1))
    assert.is_close(a, rl.cat({ a }, 1))
    assert.is_close({ { 3, 4, 3, 5 }, { 5, 6, 4, 6 } }, rl.cat({ b, b:t() }, 2))
    assert.are.same({ 2, 2 }, rl.cat({ rl.zeros { 0, 2 }, b }, 1).shape)
    assert.are.equal("i64", rl.cat({ rl.arange(2), rl.arange(3) }, 1).dtype)
  end)
  it("gives each its part of the gradient", function()
    local a, b = rl.ones({ 2 }, { requires_grad = true }), rl.ones({ 1 }, { requires_grad = true });
    (rl.cat({ a, b, a }, 1) * rl.tensor { 1, 2, 3, 4, 5 }):sum():backward()
    assert.is_close({ 5, 7 }, a.grad)
    assert.is_close({ 3 }, b.grad)
  end)
  it("stays channels last with its first tensor", function()
    local a = rl.randn({ 2, 3, 4, 5 }):contiguous { format = "channels_last" }
    local b = rl.randn { 2, 2, 4, 5 }
    local y = rl.cat({ a, b }, 2)
    assert.is_true(y:is_contiguous "channels_last")
    assert.is_true(rl.cat({ b, a }, 2):is_contiguous())
    assert.is_true(y:equal(rl.cat({ a:contiguous(), b }, 2)))
  end)
  it("refuses what does not fit", function()
    assert.error_matches(function() rl.cat({ rl.ones { 2, 3 }, rl.ones { 2, 4 } }, 1) end,
      "cat: tensor 2 is 2x4, the first 2x3; all but dim 1 must agree")
    assert.error_matches(function() rl.cat({ rl.ones { 2 }, rl.ones { 2, 1 } }, 1) end,
      "cat: tensor 2 is 2x1")
    assert.error_matches(function() rl.cat({ rl.ones { 2 }, rl.ones({ 2 }, f64) }, 1) end,
      "the first input f32")
    assert.error_matches(function() rl.cat { rl.ones { 2 } } end, "cat: dim is missing")
    assert.error_matches(function() rl.cat({}, 1) end, "cat: ")
    assert.error_matches(function() rl.cat({ rl.ones { 2 }, 3 }, 1) end,
      "cat: tensors 2 is number, not a tensor")
  end)
end)

describe("stack", function()
  it("adds a dim", function()
    local a, b = rl.tensor { 1, 2 }, rl.tensor { 3, 4 }
    assert.is_close({ { 1, 2 }, { 3, 4 } }, rl.stack({ a, b }, 1))
    assert.is_close({ { 1, 3 }, { 2, 4 } }, rl.stack({ a, b }, -1))
    assert.is_close({ 1, 2 }, rl.stack({ a[1], a[2] }, 1))
    assert.are.same({ 0, 2 }, rl.stack({ rl.zeros { 0 }, rl.zeros { 0 } }, 2).shape)
  end)
  it("gives each its part of the gradient", function()
    local a, b = rl.ones({ 2 }, { requires_grad = true }), rl.ones({ 2 }, { requires_grad = true });
    (rl.stack({ a, b }, 2) * rl.tensor { { 1, 2 }, { 3, 4 } }):sum():backward()
    assert.is_close({ 1, 3 }, a.grad)
    assert.is_close({ 2, 4 }, b.grad)
  end)
  it("refuses what does not fit", function()
    assert.error_matches(function() rl.stack({ rl.ones { 2 }, rl.ones { 3 } }, 1) end,
      "stack: tensor 2 is 3, the first 2; all must agree")
    assert.error_matches(function() rl.stack({ rl.ones { 2 } }, 3) end,
      "stack: dim 3 is not among the 2 dims")
    assert.error_matches(function() rl.stack({}, 1) end, "stack: ")
  end)
end)

describe("split", function()
  it("cuts into views of one size, or of several", function()
    local x = rl.arange(5):to "f32"
    local parts = x:split(2, 1)
    assert.are.equal(3, #parts)
    assert.is_close({ 5 }, parts[3])
    assert.is_close(x, rl.cat(parts, 1))
    parts = rl.split(x, { 1, 4 }, 1)
    assert.is_close({ 2, 3, 4, 5 }, parts[2])
    parts[1]:fill_(9)
    assert.is_close(9, x[1])
  end)
  it("refuses sizes that do not add up", function()
    assert.error_matches(function() rl.ones({ 5 }):split({ 1, 2 }, 1) end,
      "split: the sizes add up to 3, dim 1 has 5")
    assert.error_matches(function() rl.ones({ 5 }):split({ 3, 3 }, 1) end,
      "split: the sizes add up to more than 5")
    assert.error_matches(function() rl.ones({ 5 }):split(0, 1) end, "split: size is a whole number from 1")
    assert.error_matches(function() rl.ones({ 5 }):split(2) end, "split: dim is missing")
  end)
end)

describe("chunk", function()
  it("cuts into so many views", function()
    local parts = rl.ones({ 2, 7 }):chunk(3, -1)
    assert.are.same({ 2, 3 }, parts[1].shape)
    assert.are.same({ 2, 1 }, parts[3].shape)
    assert.error_matches(function() rl.ones({ 2 }):chunk(0, 1) end, "chunk: n is a whole number from 1")
  end)
end)

describe("masked_fill", function()
  it("fills where the mask is true, and stops the gradient there", function()
    local x = rl.tensor({ { 1, 2 }, { 3, 4 } }, { requires_grad = true })
    local y = x:masked_fill(rl.tensor({ true, false }, { dtype = "bool" }), -1)
    assert.is_close({ { -1, 2 }, { -1, 4 } }, y)
    y:sum():backward()
    assert.is_close({ { 0, 1 }, { 0, 1 } }, x.grad)
  end)
end)
