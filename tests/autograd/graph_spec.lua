local rl = require "rille"

local function leaf(values) return rl.tensor(values, { dtype = "f64", requires_grad = true }) end

describe("the graph", function()
  it("adds gradients over calls, and over uses of one tensor", function()
    local x = leaf { 1, 2 };
    (x * x + x):sum():backward();
    (x * x):sum():backward()
    assert.is_close({ 5, 9 }, x.grad)
  end)
  it("walks several losses at once and fills zeros where one does not reach", function()
    local a, b, c = leaf { 1, 2 }, leaf { 3 }, leaf { 4 }
    local shared = a * a
    local g = rl.grads({ (shared * b):sum(), shared:sum() }, { a, b, c })
    assert.is_close({ 6, 12 }, g[1][1])
    assert.is_close({ 5 }, g[1][2])
    assert.is_close({ 2, 4 }, g[2][1])
    assert.is_close({ 0 }, g[2][2])
    assert.is_close({ 0 }, g[1][3])
    assert.is_nil(a.grad)
  end)
  it("gives gradients of tensors in the middle, and of one asked for twice", function()
    local x = leaf { 1, 2 }
    local y = x * x
    local g = rl.grad((y * y):sum(), { y, x, x })
    assert.is_close({ 2, 8 }, g[1])
    assert.is_close({ 4, 32 }, g[2])
    assert.is_close({ 4, 32 }, g[3])
  end)
  it("is spent after one walk unless it is retained", function()
    local x = leaf { 2 }
    local y = (x * x):sum()
    y:backward { retain = true }
    y:backward()
    assert.is_close({ 8 }, x.grad)
    assert.error_matches(function() y:backward() end, "walked back already")
  end)
  it("raises when a saved tensor was changed in place, and names the op", function()
    local x, w = leaf { 1, 2 }, rl.tensor({ 3, 4 }, { dtype = "f64" })
    local y = (x * w):sum()
    w:fill_(0)
    assert.error_matches(function() y:backward() end, "mul: its input 2 (2) was changed in place")
  end)
  it("records nothing under no_grad, also after an error inside", function()
    local x = leaf { 1 }
    assert.is_false(rl.no_grad(function() return (x * x).requires_grad end))
    pcall(rl.no_grad, function() error "stop" end)
    assert.is_true((x * x).requires_grad)
    assert.error_matches(function() x:detach():sum():backward() end,
      "does not depend on anything that requires a gradient")
  end)
  it("runs hooks, which may change a gradient", function()
    local x = leaf { 1, 2 }
    local y, seen = x * x, nil
    y:register_hook(function(g)
      seen = g:tolist()
      return g * 10
    end)
    y:sum():backward()
    assert.are.same({ 1, 1 }, seen)
    assert.is_close({ 20, 40 }, x.grad)
    local z = x * x
    z:register_hook(function() error "from the hook" end)
    assert.error_matches(function() z:sum():backward() end, "from the hook")
  end)
  it("refuses to change in place what takes part in a gradient", function()
    local x = leaf { 1, 2 }
    assert.error_matches(function() x:fill_(0) end, "cannot be changed in place")
    assert.error_matches(function() (x * x)[1] = 3 end, "cannot be changed in place")
  end)
  it("names the layer's path when a gradient fails", function()
    local _ <close> = rl.enter "encoder"
    assert.error_matches(function() return leaf { 1, 2 } + leaf { 1, 2, 3 } end,
      "encoder: add: 2 and 3 do not broadcast")
  end)
end)

describe("custom", function()
  local cube = rl.custom {
    name = "cube",
    forward = function(ctx, x, scale)
      ctx:save(x)
      ctx.scale = scale
      return x * x * x * scale
    end,
    backward = function(ctx, dy)
      local x = ctx:saved()
      return dy * x * x * (3 * ctx.scale)
    end,
  }
  it("runs its own backward, saved tensors and plain values included", function()
    local x = leaf { 1, 2 };
    (cube(x, 2) * 1):sum():backward()
    assert.is_close({ 6, 24 }, x.grad)
  end)
  it("keeps no graph alive and gives everything back", function()
    collectgarbage()
    local before = rl.memory().live
    for _ = 1, 100 do
      local x = leaf { 1, 2 }
      cube(x, 2):sum():backward()
    end
    collectgarbage()
    collectgarbage()
    assert.are.equal(before, rl.memory().live)
  end)
  it("says what is wrong with a backward of another shape, and passes errors on", function()
    local function forward(_, x) return x * 1 end
    local function wrong() return rl.tensor({ 1 }) end
    local bad = rl.custom { name = "bad", forward = forward, backward = wrong }
    assert.error_matches(function() bad(leaf { 1, 2 }):sum():backward() end,
      "must return a gradient of 2 for input 1")
    local broken = rl.custom { name = "broken", forward = forward, backward = function() error "no way" end }
    assert.error_matches(function() broken(leaf { 1 }):sum():backward() end, "no way")
    assert.error_matches(function() rl.custom { forward = print } end, "custom: needs")
  end)
end)
