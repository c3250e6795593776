-- Does gradcheck catch what people get wrong? Ten planted mistakes in backward functions must all be
-- rejected, and
-- the same functions without the mistake accepted.
local rl = require "rille"
local gradcheck = require "rille.testing.gradcheck"

local f64 = { dtype = "f64" }

local function draw(shape) -- away from 0, so that no kink lies within a difference's reach
  return rl.rand(shape, f64) + 0.3
end

local function op(forward, backward)
  return rl.custom {
    name = "planted",
    forward = function(ctx, ...)
      ctx:save(...)
      return forward(...)
    end,
    backward = function(ctx, dy) return backward(dy, ctx:saved()) end,
  }
end

local function multiply(a, b) return a * b end
local function squares(x) return x * x * x + x end
local function halves(x) return x:sum(2) * 0.5 end
local function relu(x) return rl.maximum(x - 0.8, 0) end
local function difference(a, b) return a - b * b end

local A, B, ROW, SQUARE = draw { 3, 4 }, draw { 3, 4 }, draw { 4 }, draw { 3, 3 }

-- name, forward, right backward, wrong backward, inputs
local planted = {
  { "a missing term", squares, function(dy, x) return dy * (3 * x * x + 1) end,
    function(dy, x) return dy * 3 * x * x end, { A } },
  { "a wrong sign", difference, function(dy, _, b) return dy, -2 * dy * b end,
    function(dy, _, b) return dy, 2 * dy * b end, { A, B } },
  { "a wrong scale", halves, function(dy, x) return (dy * 0.5):unsqueeze(2):expand_as(x) end,
    function(dy, x) return dy:unsqueeze(2):expand_as(x) end, { A } },
  { "a gradient transposed", function(x) return x * SQUARE end, function(dy) return dy * SQUARE end,
    function(dy) return (dy * SQUARE):t() end, { draw { 3, 3 } } },
  { "places off by one", function(x) return x:narrow(2, 2, 2) * 1 end,
    function(dy) return rl.cat({ rl.zeros({ 3, 1 }, f64), dy, rl.zeros({ 3, 1 }, f64) }, 2) end,
    function(dy) return rl.cat({ dy, rl.zeros({ 3, 2 }, f64) }, 2) end, { A } },
  { "a stretch that is not folded", multiply, function(dy, a, b) return dy * b, (dy * a):sum(1) end,
    function(dy, a, b) return dy * b, (dy * a)[1] end, { A, ROW } },
  { "the arriving gradient ignored", squares, function(dy, x) return dy * (3 * x * x + 1) end,
    function(_, x) return 3 * x * x + 1 end, { A } },
  { "the wrong side of a kink", relu, function(dy, x) return dy * x:gt(0.8):double() end,
    function(dy, x) return dy * x:lt(0.8):double() end, { A } },
  { "inputs swapped", multiply, function(dy, a, b) return dy * b, dy * a end,
    function(dy, a, b) return dy * a, dy * b end, { A, B } },
}

describe("gradcheck", function()
  for _, plan in ipairs(planted) do
    local name, forward, right, wrong, inputs = table.unpack(plan)
    it("rejects " .. name, function()
      assert.is_true(gradcheck(op(forward, right), inputs))
      assert.error_matches(function() gradcheck(op(forward, wrong), inputs) end, "gradcheck: input")
    end)
  end
  it("rejects a gradient that is written where it must be added", function()
    local function twice(f) return function(x) return f(x) + f(x) * x end end
    assert.is_true(gradcheck(twice(op(squares, planted[1][3])), { A }))
    local calls = 0
    local forgets = op(squares, function(dy, x) -- the second contribution of a walk is lost
      calls = calls + 1
      return calls % 2 == 0 and rl.zeros(x.shape, f64) or dy * (3 * x * x + 1)
    end)
    assert.error_matches(function() gradcheck(twice(forgets), { A }) end, "gradcheck: input 1")
  end)
  it("names input, element and both values", function()
    local ok, message = pcall(gradcheck, op(multiply, function(dy, _, b) return dy * b, dy end), { A, B })
    assert.is_false(ok)
    local number = "(%-?[%d.e-]+)"
    local pattern = "^gradcheck: input 2, element {1, 1}: backward gives " .. number
    local got, want = message:match(pattern .. ", differences " .. number .. "$")
    assert.is_truthy(got and want and got ~= want)
  end)
  it("takes random directions above 64 elements", function()
    local x = draw { 10, 11 }
    assert.is_true(gradcheck(op(squares, planted[1][3]), { x }))
    assert.error_matches(function() gradcheck(op(squares, planted[1][4]), { x }) end, "random direction")
  end)
  it("leaves inputs, gradients and the random state alone", function()
    local x, state = draw { 2, 2 }, rl.random_state()
    local was = x:clone()
    gradcheck(function(v) return v * v end, { x })
    assert.is_true(was:equal(x))
    assert.is_nil(x.grad)
    assert.are.same(state, rl.random_state())
  end)
  it("refuses a function without float outputs", function()
    assert.error_matches(function() gradcheck(function(x) return x:gt(0) end, { A }) end,
      "returns no float tensor")
  end)
end)
