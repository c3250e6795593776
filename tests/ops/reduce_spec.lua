-- Sums, means and their kin. Reference values: closed forms, and PyTorch 2.13 in f64.
local rl = require "rille"

local f64 = { dtype = "f64" }
local nan = 0 / 0
local M = { { 1, 2, 4 }, { 7, -3, 0.5 } }
local function matrix() return rl.tensor(M, { dtype = "f64", requires_grad = true }) end
local function gradient(f)
  local m = matrix()
  local y = f(m)
  local seed = y:numel() == 2 and rl.tensor({ 1, -2 }, f64) or rl.ones(y.shape, f64)
  return rl.grad(y, m, { seed = seed })
end

describe("sum", function()
  it("sums over all, one or several dims", function()
    local m = matrix()
    assert.is_close(11.5, m:sum())
    assert.is_close({ 8, -1, 4.5 }, m:sum(1))
    assert.is_close({ { 7 }, { 4.5 } }, m:sum(-1, true))
    assert.is_close(11.5, m:sum { 1, 2 })
    assert.are.same({ 1, 1 }, m:sum({ dim = { 1, 2 }, keepdim = true }).shape)
    assert.are.same({ 6 }, rl.tensor({ { 1, 2 }, { 1, 2 } }, { dtype = "i64" }):sum():reshape({ 1 }):tolist())
  end)
  it("is 0 over nothing, keeps NaN, and does not lose small numbers", function()
    assert.is_close(0, rl.zeros({ 0 }):sum())
    assert.is_close({ 0, 0 }, rl.zeros({ 0, 2 }):sum(1))
    assert.is_close(nan, rl.tensor({ 1, nan }):sum())
    local x = rl.full({ 100001 }, 1e-3)
    x[1] = 1e5
    assert.is_close(1e5 + 100, x:sum(), 1e-8)
  end)
  it("spreads the gradient", function()
    assert.is_close({ { 1, 1, 1 }, { -2, -2, -2 } }, gradient(function(m) return m:sum(2) end))
  end)
  it("refuses dims", function()
    assert.error_matches(function() matrix():sum(3) end, "sum: dim 3 is not among the 2 dims")
    assert.error_matches(function() matrix():sum { 1, -2 } end, "sum: dim 1 is named twice")
  end)
end)

describe("mean", function()
  it("divides by the count", function()
    assert.is_close({ 4, -0.5, 2.25 }, matrix():mean(1))
    assert.is_close(11.5 / 6, matrix():mean(), 1e-15)
    assert.is_close(nan, rl.zeros({ 0 }):mean())
    assert.is_close(5, rl.tensor({ 5 }):mean())
    assert.is_close({ { 0.5, 0.5, 0.5 }, { 0.5, 0.5, 0.5 } }, gradient(function(m) return m:mean(1) end))
  end)
  it("refuses integers", function()
    assert.error_matches(function() rl.ones({ 2 }, { dtype = "i64" }):mean() end, "mean: x is i64")
  end)
end)

describe("var", function()
  it("divides by count - correction", function()
    assert.is_close(11.441666666666666, matrix():var(), 1e-14)
    assert.is_close({ 2.3333333333333335, 25.75 }, matrix():var(2), 1e-14)
    assert.is_close({ 18, 12.5, 6.125 }, matrix():var(1), 1e-14)
    assert.is_close({ 1.5555555555555556, 17.166666666666668 }, matrix():var(2, { correction = 0 }), 1e-14)
    assert.is_close(nan, rl.tensor({ 5 }):var())
    assert.is_close(0, rl.tensor({ 5 }):var { correction = 0 })
  end)
  it("is right far from 0, where one pass over squares is not", function()
    assert.is_close(1, (rl.tensor({ -1, 0, 1 }, f64) + 1e9):var(), 1e-12)
  end)
  it("has PyTorch's gradient", function()
    assert.is_close({ { -1.3333333333333335, -0.3333333333333335, 1.6666666666666665 }, { -11, 9, 2 } },
      gradient(function(m) return m:var(2) end), 1e-14)
    assert.is_close({ { -0.3666666666666667, 0.0333333333333333, 0.8333333333333333 },
      { 2.033333333333333, -1.9666666666666668, -0.5666666666666668 } }, gradient(function(m)
        return m:var() end), 1e-14)
  end)
  it("refuses dims", function() assert.error_matches(function() matrix():var(0) end, "dims start at 1") end)
end)

describe("std", function()
  it("is the root of var", function()
    assert.is_close({ 1.5275252316519465, 5.07444578254611 }, matrix():std(2), 1e-14)
    assert.is_close({ { -0.43643578047198484, -0.10910894511799625, 0.5455447255899809 },
      { -1.0838622059807226, 0.8867963503478639, 0.19706585563285864 } }, gradient(function(m)
        return m:std(2) end), 1e-14)
  end)
  it("has gradient 0 where all are equal", function()
    local x = rl.ones({ 4 }, { dtype = "f64", requires_grad = true })
    x:std():backward()
    assert.is_close({ 0, 0, 0, 0 }, x.grad)
    assert.error_matches(function() x:std(2) end, "std: dim 2")
  end)
end)

describe("norm", function()
  it("is the Euclidean length", function()
    assert.is_close(8.902246907382429, matrix():norm(), 1e-14)
    assert.is_close({ 7.0710678118654755, 3.605551275463989, 4.031128874149275 }, matrix():norm(1), 1e-14)
    assert.is_close(0, rl.zeros({ 0 }):norm())
    assert.is_close(5e30, rl.tensor({ 3e30, 4e30 }):norm(), 1e-6) -- the squares are past f32
  end)
  it("has PyTorch's gradient, and 0 at 0", function()
    assert.is_close({ { 0.2182178902359924, 0.4364357804719848, 0.8728715609439696 },
      { -1.8343409898251715, 0.7861461384965021, -0.13102435641608368 } }, gradient(function(m)
        return m:norm(2) end), 1e-14)
    local x = rl.zeros({ 2 }, { requires_grad = true })
    x:norm():backward()
    assert.is_close({ 0, 0 }, x.grad)
    assert.error_matches(function() x:norm(2) end, "norm: dim 2")
  end)
end)

describe("all", function()
  it("asks for every element", function()
    local x = rl.tensor({ { true, false }, { true, true } }, { dtype = "bool" })
    assert.are.same({ false, true }, x:all(2):tolist())
    assert.is_false(x:all():item())
    assert.is_true(rl.zeros({ 0 }):all():item())
    assert.is_true(rl.tensor({ -1, nan }):all():item())
    assert.are.same({ { false }, { true } }, x:all(2, true):tolist())
    assert.error_matches(function() x:all(3) end, "all: dim 3")
  end)
end)

describe("any", function()
  it("asks for one element", function()
    local x = rl.tensor({ { 0, 0 }, { 0, 2 } }, { dtype = "i64" })
    assert.are.same({ false, true }, x:any(2):tolist())
    assert.is_true(x:any():item())
    assert.is_false(rl.zeros({ 0 }):any():item())
    assert.error_matches(function() x:any(3) end, "any: dim 3")
  end)
end)

describe("large folds", function()
  local shapes = { { 100000 }, { 3, 70000 }, { 70000, 3 }, { 300, 1000 }, { 2, 3, 5000, 7 }, { 20, 3, 40,
    40 }, { 40000, 2, 2 } }
  it("agree however the dims lie, and with differences from the mean", function()
    for _, shape in ipairs(shapes) do
      local x = rl.randn(shape, f64)
      for d = 1, #shape do
        local order = {}
        for i = 1, #shape do order[i] = i end
        order[d], order[#shape] = order[#shape], order[d]
        local turned = x:permute(order)
        assert.is_close(turned:contiguous():sum(-1), turned:sum(-1), 1e-11)
        assert.is_close(x:sum(), x:sum(d):sum(), 1e-10)
        if shape[d] > 1 then
          assert.is_close((x - x:mean(d, true)):square():sum(d) / (shape[d] - 1), x:var(d), 1e-11)
          assert.is_close(x:square():sum(d):sqrt(), x:norm(d), 1e-11)
        end
      end
    end
  end)
  it("give the same bytes for any number of threads", function()
    local was = rl.threads()
    for _, shape in ipairs(shapes) do
      local x, first = rl.randn(shape), {}
      for n = 1, 3 do
        rl.threads(n)
        for d = 0, #shape do
          local y = d == 0 and x:sum() or x:sum(d)
          first[d] = first[d] or y
          assert.is_true(first[d]:equal(y))
        end
      end
    end
    rl.threads(was)
  end)
  it("fold channels-last images over N, H and W", function()
    local x = rl.randn({ 4, 5, 60, 50 }):contiguous { format = "channels_last" }
    assert.is_close(x:contiguous():sum { 1, 3, 4 }, x:sum { 1, 3, 4 }, 1e-6)
    local wide = rl.randn({ 2, 600, 6, 5 }):contiguous { format = "channels_last" }
    assert.is_close(wide:contiguous():var { 1, 3, 4 }, wide:var { 1, 3, 4 }, 1e-6)
  end)
end)
