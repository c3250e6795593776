-- Rows of two or three inputs, element by element, broadcast; numbers on either side.
local rl = require "rille"

local f64, i64 = { dtype = "f64" }, { dtype = "i64" }
local inf, nan = math.huge, 0 / 0
local function leaf(v) return rl.tensor(v, { dtype = "f64", requires_grad = true }) end
local function bools(v) return rl.tensor(v, { dtype = "bool" }) end
local function refuses_shapes(name)
  return function()
    assert.error_matches(function() rl[name](rl.ones { 2, 3 }, rl.ones { 2 }) end,
      name .. ": 2x3 and 2 do not broadcast: dim -1 has 3 against 2")
  end
end

describe("sub", function()
  it("subtracts alpha times b", function()
    assert.is_close({ { -9, -18 }, { -8, -17 } }, rl.tensor { { 1, 2 }, { 2, 3 } } - rl.tensor { 10, 20 })
    assert.is_close({ -1 }, rl.sub(rl.tensor { 1 }, rl.tensor { 4 }, { alpha = 0.5 }))
    assert.is_close({ 4 }, 5 - rl.tensor { 1 })
    assert.are.same({ -4 }, (rl.tensor({ 1 }, i64) - 5):tolist())
    assert.are.equal("f64", (rl.ones({ 1 }, i64) - rl.ones({ 1 }, f64)).dtype)
    assert.are.same({ 0 }, (rl.zeros { 0 } - 1).shape)
  end)
  it("passes the gradient with sign", function()
    local a, b = leaf { { 1, 2 } }, leaf { { 3 }, { 4 } };
    (a - b * 2):sum():backward()
    assert.is_close({ { 2, 2 } }, a.grad)
    assert.is_close({ { -4 }, { -4 } }, b.grad)
  end)
  it("refuses shapes", refuses_shapes "sub")
end)

describe("div", function()
  it("divides", function()
    assert.is_close({ 0.5, inf, nan, -inf }, rl.tensor { 1, 1, 0, -1 } / rl.tensor { 2, 0, 0, 0 })
    assert.is_close({ 4 }, 2 / rl.tensor { 0.5 })
    assert.are.same({ 0, 3 }, (rl.zeros { 0, 1 } / rl.ones { 3 }).shape)
  end)
  it("passes gradients to both", function()
    local a, b = leaf { 6 }, leaf { 3 };
    (a / b):sum():backward()
    assert.is_close({ 1 / 3 }, a.grad, 1e-15)
    assert.is_close({ -2 / 3 }, b.grad, 1e-15)
  end)
  it("refuses shapes, and integers", function()
    refuses_shapes "div" ()
    assert.error_matches(function() return rl.ones({ 1 }, i64) / 2 end, "div: a is i64")
  end)
end)

describe("pow", function()
  it("takes tensors and numbers", function()
    local a, b = leaf { 2, 0.5, -2, 0 }, leaf { 3, -1.5, 2, 2 }
    local y = a ^ b
    assert.is_close({ 8, 2.8284271247461903, 4, 0 }, y, 1e-15)
    y:sum():backward() -- PyTorch 2.13
    assert.is_close({ 12, -8.485281374238571, -4, 0 }, a.grad, 1e-14)
    assert.is_close({ 5.545177444479562, -1.9605162869370945, nan, 0 }, b.grad, 1e-14)
    assert.is_close({ 4, 9 }, rl.tensor { 2, 3 } ^ 2)
    assert.is_close({ 2, 8 }, 2 ^ rl.tensor { 1, 3 })
    assert.is_close({ 0.5, 1 / 3 }, rl.tensor { 2, 3 } ^ -1)
  end)
  it("knows the special cases", function()
    local y = rl.tensor { 0, nan, -8, 0, inf } ^ rl.tensor { 0, 0, 1 / 3, -1, -2 }
    assert.is_close({ 1, 1, nan, inf, 0 }, y)
    local x = leaf { 0, -3 };
    (x ^ 0):sum():backward()
    assert.is_close({ 0, 0 }, x.grad)
    assert.is_true((rl.tensor { 1.1, 2.3 } ^ 2):equal(rl.tensor { 1.1, 2.3 }:square()))
  end)
  it("refuses shapes, and integers", function()
    refuses_shapes "pow" ()
    assert.error_matches(function() return rl.ones({ 1 }, i64) ^ 2 end, "pow: a is i64")
  end)
end)

describe("mul", function()
  it("multiplies", function()
    assert.is_close({ { 10, 40 }, { 30, 80 } }, rl.tensor { { 1, 2 }, { 3, 4 } } * rl.tensor { 10, 20 })
    assert.is_close({ inf, nan, nan }, rl.tensor { inf, inf, nan } * rl.tensor { 2, 0, 1 })
    assert.are.same({ 6 }, (rl.tensor({ 2 }, i64) * 3):tolist())
    local x = leaf { 3 };
    (x * x):sum():backward()
    assert.is_close({ 6 }, x.grad)
  end)
  it("refuses shapes", refuses_shapes "mul")
end)

for _, name in ipairs { "maximum", "minimum" } do
  local up = name == "maximum"
  local function f(a, b) return up and math.max(a, b) or math.min(a, b) end
  local function check()
    assert.is_close({ f(1, 5), f(4, 2), f(3, 3) }, rl[name](rl.tensor { 1, 4, 3 }, rl.tensor { 5, 2, 3 }))
    assert.is_close({ nan, nan, f(inf, 1) }, rl[name](rl.tensor { nan, 1, inf }, rl.tensor { 1, nan, 1 }))
    assert.is_close({ f(-1, 0), f(2, 0) }, rl[name](rl.tensor { -1, 2 }, 0))
    assert.are.same({ f(3, 4) }, rl[name](rl.tensor({ 3 }, i64), rl.tensor({ 4 }, i64)):tolist())
    assert.are.same({ 0 }, rl[name](rl.zeros { 0 }, 1).shape)
  end
  local function gradient()
    local a, b = leaf { 1, 4, 3 }, leaf { 5, 2, 3 }
    rl[name](a, b):sum():backward()
    assert.is_close(up and { 0, 1, 0.5 } or { 1, 0, 0.5 }, a.grad)
    assert.is_close(up and { 1, 0, 0.5 } or { 0, 1, 0.5 }, b.grad)
  end
  local function body()
    it("chooses, and NaN wins", check)
    it("sends the gradient to the chosen one, half to each of equal ones", gradient)
    it("refuses shapes", refuses_shapes(name))
  end
  if up then describe("maximum", body) else describe("minimum", body) end
end

describe("where", function()
  it("chooses by truth, broadcast, with numbers", function()
    local c = bools { { true, false }, { false, true } }
    assert.is_close({ { 1, 20 }, { 10, 2 } }, rl.where(c, rl.tensor { 1, 2 }, rl.tensor { 10, 20 }))
    assert.is_close({ { 1, 0 }, { 0, 1 } }, rl.where(c, 1, 0))
    assert.are.equal("f32", rl.where(c, 1, 0).dtype)
    assert.is_close({ { 5, 7 }, { 7, 5 } }, rl.where(c, rl.tensor({ 5 }, i64), 7))
    assert.are.same({ 0 }, rl.where(rl.zeros({ 0 }, { dtype = "bool" }), rl.zeros { 0 }, 1).shape)
  end)
  it("lets no NaN through from the side that was not chosen", function()
    local a, b = leaf { 1, nan }, leaf { nan, 2 }
    local y = rl.where(bools { true, false }, a, b)
    assert.is_close({ 1, 2 }, y)
    y:sum():backward()
    assert.is_close({ 1, 0 }, a.grad)
    assert.is_close({ 0, 1 }, b.grad)
  end)
  it("refuses a condition that is a number", function()
    assert.error_matches(function() rl.where(rl.ones { 2 }, 1, 0) end, "where: cond is f32")
    assert.error_matches(function() rl.where(bools { true, false }, rl.ones { 3 }, 0) end,
      "where: 2 and 3 do not broadcast")
  end)
end)

local A, B = { 1, 2, 3, nan, inf }, { 2, 2, 2, nan, inf }
local function compares(name, want)
  return function()
    assert.are.same(want, rl[name](rl.tensor(A), rl.tensor(B)):tolist())
    assert.are.same(want, rl[name](rl.tensor(A, f64), rl.tensor(B, f64)):tolist())
    local three = { want[1], want[2], want[3] }
    assert.are.same(three, rl[name](rl.tensor({ 1, 2, 3 }, i64), 2):tolist())
    assert.are.same(three, rl[name](rl.tensor { 1, 2, 3 }, rl.tensor({ 2 }, i64)):tolist())
    assert.are.equal("bool", rl[name](rl.tensor { 1 }, 1).dtype)
    assert.is_false(rl[name](leaf { 1 }, 2).requires_grad)
    assert.are.same({ 0, 3 }, rl[name](rl.zeros { 0, 1 }, rl.ones { 3 }).shape)
    refuses_shapes(name)()
  end
end

describe("eq", function() it("compares", compares("eq", { false, true, false, false, true })) end)
describe("ne", function() it("compares", compares("ne", { true, false, true, true, false })) end)
describe("lt", function() it("compares", compares("lt", { true, false, false, false, false })) end)
describe("le", function() it("compares", compares("le", { true, true, false, false, true })) end)
describe("gt", function() it("compares", compares("gt", { false, false, true, false, false })) end)
describe("ge", function() it("compares", compares("ge", { false, true, true, false, true })) end)

local P, Q = bools { true, true, false, false }, bools { true, false, true, false }
describe("logical_and", function()
  it("is true where both are", function()
    assert.are.same({ true, false, false, false }, P:logical_and(Q):tolist())
    assert.are.same({ true, false }, rl.logical_and(rl.tensor { 0.5, 0 }, 1):tolist())
    refuses_shapes "logical_and" ()
  end)
end)
describe("logical_or", function()
  it("is true where one is", function()
    assert.are.same({ true, true, true, false }, P:logical_or(Q):tolist())
    assert.are.same({ true, true }, rl.logical_or(rl.tensor { 0.5, 0 }, 1):tolist())
    refuses_shapes "logical_or" ()
  end)
end)
