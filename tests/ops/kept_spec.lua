-- Weights of a model that predicts keep their panels from the second call on: nothing of that may be seen.
local rl = require "rille"

local f32, f64 = { dtype = "f32" }, { dtype = "f64" }

-- Each: the weight, and what is computed of it.
local function cases()
  local list = {}
  for _, o in ipairs { f32, f64 } do
    local x = rl.randn({ 1, 640, 14, 14 }, o):contiguous "channels_last"
    local small = rl.randn({ 1, 640, 5, 5 }, o):contiguous "channels_last"
    local w = rl.randn({ 130, 640, 1, 1 }, o)
    list[#list + 1] = { w, function() return rl.conv2d(x, w) end }
    local by, bias = rl.rand({ 640 }, o), rl.randn({ 640 }, o)
    for _, v in ipairs { x, small } do
      local other = w:clone()
      list[#list + 1] = { other, function()
        return (rl.norm_conv2d(v, nil, bias * 0, by + 0.5, by, bias, nil, nil, other, nil,
          { act = "relu", want_moments = false }))
      end }
    end
    local three = rl.randn({ 40, 64, 3, 3 }, o)
    for _, side in ipairs { 7, 14, 30 } do
      local v, other = rl.randn({ 1, 64, side, side }, o), three:clone()
      list[#list + 1] = { other, function() return rl.conv2d(v, other, nil, { padding = 1 }) end }
    end
    local rows, linear = rl.randn({ 3, 640 }, o), rl.randn({ 70, 640 }, o)
    list[#list + 1] = { linear, function() return rl.linear(rows, linear) end }
  end
  return list
end

describe("a kept weight", function()
  it("gives the same bytes at each call, and new ones after it changes", function()
    rl.manual_seed(3)
    for i, case in ipairs(cases()) do
      local w, f = case[1], case[2]
      local function quiet() return rl.no_grad(f) end
      local first = quiet()
      for _ = 1, 3 do assert.are.equal(0, (quiet() - first):abs():max():item(), "case " .. i) end
      w.requires_grad = true -- a graph is made: nothing kept is used
      local plain = f():detach()
      w.requires_grad = false
      assert.is_true((plain - first):abs():max():item() <= 1e-5 * first:abs():max():item(), "case " .. i)
      w:mul_(2)
      for _ = 1, 3 do assert.are.equal(0, (quiet() - first * 2):abs():max():item(), "changed, case " .. i) end
    end
  end)

  it("is dropped where a gradient that serves as a weight is added to", function()
    local x, w = rl.randn { 2, 100 }, rl.randn { 80, 100 }
    w.requires_grad = true
    local function walk() rl.linear(x, w):sum():backward() end
    local function quiet() return rl.no_grad(function() return rl.linear(x, w.grad) end) end
    walk()
    local first = quiet()
    for _ = 1, 2 do assert.are.equal(0, (quiet() - first):abs():max():item()) end
    walk()
    for _ = 1, 3 do assert.are.equal(0, (quiet() - first * 2):abs():max():item()) end
  end)

  it("is given back with the weight", function()
    collectgarbage()
    local before = rl.memory().live
    do
      local x, w = rl.randn { 2, 1000 }, rl.randn { 500, 1000 }
      for _ = 1, 3 do rl.no_grad(function() return rl.linear(x, w) end) end
      assert.is_true(rl.memory().live - before >= 2 * 500 * 1000 * 4)
      local v, three = rl.randn { 1, 128, 14, 14 }, rl.randn { 64, 128, 3, 3 }
      local alone = rl.memory().live
      for _ = 1, 3 do rl.no_grad(function() rl.conv2d(v, three, nil, { padding = 1 }):release() end) end
      assert.is_true(rl.memory().live - alone >= 64 * 128 * 9 * 4) -- as Winograd reads it
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(rl.memory().live - before < 500 * 1000 * 4)
  end)
end)
