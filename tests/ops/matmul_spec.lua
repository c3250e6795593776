local rl = require "rille"
local f64 = { dtype = "f64" }

local function product(a, b) -- of nested lists
  local c = {}
  for i = 1, #a do
    c[i] = {}
    for j = 1, #b[1] do
      local sum = 0
      for k = 1, #b do sum = sum + a[i][k] * b[k][j] end
      c[i][j] = sum
    end
  end
  return c
end

describe("matmul", function()
  it("multiplies matrices, vectors and stacks as PyTorch does", function()
    local a, b = rl.randn({ 3, 4 }, f64), rl.randn({ 4, 2 }, f64)
    assert.is_close(product(a:tolist(), b:tolist()), rl.matmul(a, b), 1e-14)
    assert.is_close(32, rl.matmul(rl.tensor { 1, 2, 3 }, rl.tensor { 4, 5, 6 }))
    assert.is_close({ 14, 32 }, rl.matmul(rl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }, rl.tensor { 1, 2, 3 }))
    assert.is_close({ 9, 12, 15 }, rl.matmul(rl.tensor { 1, 2 }, rl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }))
    local s = rl.randn({ 2, 1, 3, 4 }, f64)
    local t = rl.randn({ 5, 4, 2 }, f64)
    local y = rl.matmul(s, t)
    assert.are.same({ 2, 5, 3, 2 }, y.shape)
    assert.is_close(product(s:tolist()[2][1], t:tolist()[4]), y:tolist()[2][4], 1e-14)
  end)
  it("sums gradients over the members that shared an operand", function()
    local a, b = rl.randn({ 3, 4 }, f64):requires_grad_(), rl.randn({ 5, 4, 2 }, f64):requires_grad_()
    local dy = rl.randn({ 5, 3, 2 }, f64);
    (rl.matmul(a, b) * dy):sum():backward()
    local want = {}
    for i = 1, 3 do
      want[i] = { 0, 0, 0, 0 }
      for n, m in ipairs(b:tolist()) do
        for k = 1, 4 do
          for j = 1, 2 do want[i][k] = want[i][k] + dy:tolist()[n][i][j] * m[k][j] end
        end
      end
    end
    assert.is_close(want, a.grad, 1e-13)
    assert.is_close(product(a:t():tolist(), dy:tolist()[3]), b.grad:tolist()[3], 1e-13)
  end)
  it("sums nothing to zero", function()
    assert.is_close({ { 0, 0, 0 }, { 0, 0, 0 } }, rl.matmul(rl.zeros { 2, 0 }, rl.zeros { 0, 3 }))
    assert.are.same({ 0, 3 }, rl.matmul(rl.zeros { 0, 2 }, rl.zeros { 2, 3 }).shape)
  end)
  it("refuses inner sizes that differ, and numbers", function()
    assert.error_matches(function()
      rl.matmul(rl.zeros { 2, 3 }, rl.zeros { 2, 8 })
    end, "matmul: inner sizes differ, a is 2x3, b is 2x8")
    assert.error_matches(function()
      rl.matmul(rl.zeros {}, rl.zeros { 2 })
    end, "a number is multiplied with *")
  end)
end)
