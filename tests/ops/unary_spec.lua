-- Rows of one input, element by element. Reference values: PyTorch 2.13 in f64, printed to all digits.
local rl = require "rille"
local gradcheck = require "rille.testing.gradcheck"

local f64 = { dtype = "f64" }
local inf, nan = math.huge, 0 / 0
local X = { -3, -0.5, 0, 0.25, 2 }
local POSITIVE = { 0.1, 0.5, 1, 3, 1000 }

---f at x is want in f64 to 1e-15 and in f32 to 3e-7 (two roundings); special values; shapes; the dtypes it
---refuses.
local function agrees(name, x, want, special, special_want)
  return function()
    local f = rl[name]
    assert.is_close(want, f(rl.tensor(x, f64)), 1e-15)
    assert.is_close(want, f(rl.tensor(x)), 3e-7)
    assert.is_close(want, rl.tensor(x)[name](rl.tensor(x)), 3e-7)
    for _, dtype in ipairs { "f64", "f32" } do
      assert.is_close(special_want, f(rl.tensor(special, { dtype = dtype })), 1e-6)
    end
    assert.are.same({ 0, 2 }, f(rl.zeros { 0, 2 }).shape)
    assert.are.same({}, f(rl.ones {}).shape)
  end
end

local function refuses_integers(name)
  return function()
    assert.error_matches(function() rl[name](rl.ones({ 2 }, { dtype = "i64" })) end,
      name .. ": x is i64, which this op does not take; convert it")
  end
end

local function leaf_gradient(name, x)
  local leaf = rl.tensor(x, { dtype = "f64", requires_grad = true })
  rl[name](leaf):sum():backward()
  return leaf.grad
end

describe("abs", function()
  it("is |x|", agrees("abs", X, { 3, 0.5, 0, 0.25, 2 }, { -inf, nan, inf }, { inf, nan, inf }))
  it("has slope 0 at 0", function() assert.is_close({ -1, -1, 0, 1, 1 }, leaf_gradient("abs", X)) end)
  it("refuses integers", refuses_integers "abs")
end)

describe("sqrt", function()
  it("is the root", agrees("sqrt", POSITIVE, { 0.31622776601683794, 0.7071067811865476, 1,
    1.7320508075688772, 31.622776601683793 },
    { 0, inf, -1, nan }, { 0, inf, nan, nan }))
  it("has slope 1 / (2 y)", function() assert.is_close({ 0.25, inf }, leaf_gradient("sqrt", { 4, 0 })) end)
  it("refuses integers", refuses_integers "sqrt")
end)

describe("log", function()
  it("is the natural logarithm", agrees("log", POSITIVE, { -2.3025850929940455, -0.6931471805599453, 0,
    1.0986122886681098, 6.907755278982137 },
    { 0, inf, -1, nan }, { -inf, inf, nan, nan }))
  it("has slope 1 / x", function() assert.is_close({ 0.25, inf }, leaf_gradient("log", { 4, 0 })) end)
  it("refuses integers", refuses_integers "log")
end)

describe("log1p", function()
  it("is ln(1 + x)", agrees("log1p", POSITIVE, { 0.09531017980432487, 0.4054651081081644, 0.6931471805599453,
    1.3862943611198906, 6.90875477931522 },
    { -1, inf, -2, nan }, { -inf, inf, nan, nan }))
  it("is exact near 0", function()
    assert.are.equal(1e-20, rl.log1p(rl.tensor({ 1e-20 }, f64)):item())
    assert.is_close(1, rl.log1p(rl.tensor { 1e-20 }):item() / 1e-20, 1e-6)
  end)
  it("refuses integers", refuses_integers "log1p")
end)

describe("exp", function()
  it("is e^x", agrees("exp", X, { 0.049787068367863944, 0.6065306597126334, 1, 1.2840254166877414,
    7.38905609893065 },
    { -inf, inf, nan, -1e4, 1e4 }, { 0, inf, nan, 0, inf }))
  it("is its own slope", function() assert.is_close({ 1, math.exp(2) }, leaf_gradient("exp", { 0, 2 }),
    1e-14) end)
  it("refuses integers", refuses_integers "exp")
end)

describe("sigmoid", function()
  it("is 1 / (1 + e^-x)", agrees("sigmoid", X, { 0.04742587317756678, 0.3775406687981454, 0.5,
    0.5621765008857981, 0.8807970779778823 },
    { -inf, inf, nan, -1e4, 1e4 }, { 0, 1, nan, 0, 1 }))
  it("has slope y (1 - y)", function() assert.is_close({ 0.25, 0, 0 }, leaf_gradient("sigmoid", { 0, 1e3,
    -1e3 })) end)
  it("refuses integers", refuses_integers "sigmoid")
end)

describe("tanh", function()
  it("is the hyperbolic tangent", agrees("tanh", X, { -0.9950547536867305, -0.46211715726000974, 0,
    0.24491866240370913, 0.9640275800758169 },
    { -inf, inf, nan, 1e4 }, { -1, 1, nan, 1 }))
  it("has slope 1 - y^2", function() assert.is_close({ 1, 0 }, leaf_gradient("tanh", { 0, 1e3 })) end)
  it("refuses integers", refuses_integers "tanh")
end)

describe("erf", function()
  it("is the error function", agrees("erf", X, { -0.9999779095030014, -0.5204998778130465, 0,
    0.27632639016823696, 0.9953222650189527 },
    { -inf, inf, nan }, { -1, 1, nan }))
  it("has slope 2 / sqrt(pi) at 0", function() assert.is_close({ 2 / math.sqrt(math.pi) },
    leaf_gradient("erf", { 0 }), 1e-14) end)
  it("refuses integers", refuses_integers "erf")
end)

describe("sin", function()
  it("is the sine", agrees("sin", X, { -0.1411200080598672, -0.479425538604203, 0, 0.24740395925452294,
    0.9092974268256817 },
    { nan, 0 }, { nan, 0 }))
  it("has slope cos x", function() assert.is_close({ 1, math.cos(2) }, leaf_gradient("sin", { 0, 2 }),
    1e-14) end)
  it("refuses integers", refuses_integers "sin")
end)

describe("cos", function()
  it("is the cosine", agrees("cos", X, { -0.9899924966004454, 0.8775825618903728, 1, 0.9689124217106447,
    -0.4161468365471424 },
    { nan, 0 }, { nan, 1 }))
  it("has slope -sin x", function() assert.is_close({ 0, -math.sin(2) }, leaf_gradient("cos", { 0, 2 }),
    1e-14) end)
  it("refuses integers", refuses_integers "cos")
end)

describe("reciprocal", function()
  it("is 1 / x", agrees("reciprocal", { -4, 0.5, 8 }, { -0.25, 2, 0.125 }, { 0, inf, nan }, { inf, 0, nan }))
  it("has slope -1 / x^2", function() assert.is_close({ -0.25 }, leaf_gradient("reciprocal", { 2 })) end)
  it("refuses integers", refuses_integers "reciprocal")
end)

describe("square", function()
  it("is x^2", agrees("square", { -3, 0.5, 0 }, { 9, 0.25, 0 }, { -inf, nan }, { inf, nan }))
  it("takes integers", function() assert.are.same({ 9, 16 }, rl.square(rl.tensor({ -3, 4 },
    { dtype = "i64" })):tolist()) end)
  it("has slope 2 x", function() assert.is_close({ -6, 0 }, leaf_gradient("square", { -3, 0 })) end)
end)

describe("neg", function()
  it("is -x", agrees("neg", { -3, 0.5 }, { 3, -0.5 }, { inf, nan }, { -inf, nan }))
  it("takes integers, and is the operator", function() assert.are.same({ 3, -4 }, (-rl.tensor({ -3, 4 },
    { dtype = "i64" })):tolist()) end)
  it("has slope -1", function() assert.is_close({ -1, -1 }, leaf_gradient("neg", { -3, 0 })) end)
end)

describe("relu", function()
  it("is max(x, 0)", agrees("relu", X, { 0, 0, 0, 0.25, 2 }, { -inf, inf, nan }, { 0, inf, nan }))
  it("has slope 0 up to 0, 1 above", function() assert.is_close({ 0, 0, 0, 1, 1 }, leaf_gradient("relu",
    X)) end)
  it("refuses integers", refuses_integers "relu")
end)

describe("clamp", function()
  it("keeps to its ends, either of which may be missing", function()
    local x = rl.tensor { -2, -1, 0.5, 3, nan, inf }
    assert.is_close({ -1, -1, 0.5, 1, nan, 1 }, x:clamp(-1, 1))
    assert.is_close({ 0, 0, 0.5, 3, nan, inf }, x:clamp { min = 0 })
    assert.is_close({ -2, -1, 0.5, 1, nan, 1 }, x:clamp { max = 1 })
    assert.are.same({ 2, 3 }, rl.tensor({ 1, 9 }, { dtype = "i64" }):clamp(2, 3):tolist())
    assert.are.same({ 0 }, rl.zeros({ 0 }):clamp(0, 1).shape)
  end)
  it("passes the gradient between the ends, both included", function()
    local x = rl.tensor({ -2, -1, 0, 1, 2 }, { requires_grad = true })
    x:clamp(-1, 1):sum():backward()
    assert.is_close({ 0, 1, 1, 1, 0 }, x.grad)
  end)
  it("refuses ends in the wrong order", function()
    assert.error_matches(function() rl.ones({ 1 }):clamp(2, 1) end, "clamp: min = 2 is above max = 1")
    assert.error_matches(function() rl.ones({ 1 }):clamp(nan, 1) end, "clamp: min")
  end)
end)

describe("isfinite", function()
  it("knows infinity and NaN", function()
    assert.are.same({ true, false, false, false }, rl.isfinite(rl.tensor { 1, inf, -inf, nan }):tolist())
    assert.are.same({ 0 }, rl.zeros({ 0 }):isfinite().shape)
    assert.error_matches(function() rl.isfinite(rl.ones({ 1 }, { dtype = "i64" })) end, "isfinite: x is i64")
  end)
end)

describe("logical_not", function()
  it("turns truth values, and numbers", function()
    assert.are.same({ false, true }, rl.tensor({ true, false }, { dtype = "bool" }):logical_not():tolist())
    assert.are.same({ true, false, false }, rl.tensor({ 0, -1, nan }):logical_not():tolist())
    assert.are.same({}, rl.zeros({}):logical_not().shape)
    assert.error_matches(function() rl.logical_not(1) end, "logical_not: x is number, not a tensor")
  end)
end)

describe("pointwise rows", function()
  it("give the same bytes for any number of threads, and in any layout, on large tensors", function()
    local x, was = rl.rand { 2, 3, 130, 140 } + 0.1, rl.threads()
    local last, cut = x:contiguous { format = "channels_last" }, x:narrow(4, 7, 50)
    for _, name in ipairs { "exp", "tanh", "sqrt", "log", "sigmoid", "square" } do
      rl.threads(1)
      local one = rl[name](x)
      rl.threads(2)
      assert.is_true(one:equal(rl[name](x)))
      assert.is_true(one:equal(rl[name](last)))
      assert.is_true(rl[name](last):is_contiguous "channels_last")
      assert.is_true(one:narrow(4, 7, 50):equal(rl[name](cut)))
    end
    rl.threads(was)
  end)
  it("chain", function()
    gradcheck(function(x) return x:tanh():exp():log1p():sqrt():sin():square() end, { rl.rand({ 3, 4 }, f64) })
  end)
end)
