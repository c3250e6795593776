local rl = require "rille"
local f64 = { dtype = "f64" }

describe("linear", function()
  it("multiplies by the transposed weight and adds the bias to every row", function()
    local w, b = rl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }, rl.tensor { 10, 20 }
    assert.is_close({ { 14, 32 }, { 9, 24 } }, rl.linear(rl.tensor { { 1, 2, 3 }, { 2, 2, 1 } }, w) )
    assert.is_close({ 24, 52 }, rl.linear(rl.tensor { 1, 2, 3 }, w, b))
    assert.are.same({ 2, 4, 2 }, rl.linear(rl.ones { 2, 4, 3 }, w, b).shape)
  end)
  it("has the gradients of its formula", function()
    local x, w, b = rl.randn({ 2, 3, 4 }, f64):requires_grad_(),
      rl.randn({ 5, 4 }, f64):requires_grad_(),
      rl.randn({ 5 }, f64):requires_grad_()
    local dy = rl.randn({ 2, 3, 5 }, f64);
    (rl.linear(x, w, b) * dy):sum():backward()
    assert.is_close(rl.matmul(dy, w:clone()), x.grad, 1e-12)
    assert.is_close(rl.matmul(dy:reshape { 6, 5 }:t(), x:reshape { 6, 4 }), w.grad, 1e-12)
    assert.is_close(dy:sum { dim = { 1, 2 } }, b.grad, 1e-12)
  end)
  it("rectifies in the same op, to the bytes of two", function()
    for _, dtype in ipairs { "f32", "f64" } do
      for _, s in ipairs { { 8, 32, 32 }, { 3, 5, 7 }, { 300, 70, 130 }, { 2, 5000, 3 }, { 0, 3, 2 } } do
        local function made(one)
          rl.manual_seed(1)
          local x, w, b = rl.randn({ s[1], s[2] }, { dtype = dtype }):requires_grad_(),
            rl.randn({ s[3], s[2] }, { dtype = dtype }):requires_grad_(),
            rl.randn({ s[3] }, { dtype = dtype }):requires_grad_()
          local y = one and rl.linear(x, w, b, { act = "relu" }) or rl.relu(rl.linear(x, w, b))
          local dy, dz = rl.randn(y.shape, { dtype = dtype }), rl.randn(y.shape, { dtype = dtype })
          local list = rl.grads({ (y * dy):sum(), (y * dz):sum() }, { x, w, b })
          return { y:detach(), table.unpack(table.move(list[2], 1, 3, 4, list[1])) }
        end
        local two = made(false)
        for i, t in ipairs(made(true)) do assert.is_true(t:equal(two[i])) end
      end
    end
  end)
  it("takes no rows, and no inputs", function()
    assert.are.same({ 0, 2 }, rl.linear(rl.zeros { 0, 3 }, rl.zeros { 2, 3 }).shape)
    assert.is_close({ { 1, 2 } }, rl.linear(rl.zeros { 1, 0 }, rl.zeros { 2, 0 }, rl.tensor { 1, 2 }))
  end)
  it("refuses sizes that do not fit", function()
    assert.error_matches(function()
      rl.linear(rl.zeros { 2, 3 }, rl.zeros { 4, 5 })
    end, "linear: x is 2x3, weight 4x5")
    assert.error_matches(function()
      rl.linear(rl.zeros { 2, 3 }, rl.zeros { 4, 3 }, rl.zeros { 3 })
    end, "linear: bias is 3, weight 4x3")
  end)
end)
