local rl = require "rille"
local f64 = { dtype = "f64", requires_grad = true }

-- Three steps on 0.1 sum (w x + b)^3 + |w|^2 + <c, z>; w is 2x3, b has one dim, z begins with zeros.
local function steps(o, n)
  local w = rl.tensor({ { 0.5, -1, 2 }, { 0.3, 0.1, -0.7 } }, f64)
  local b, z = rl.tensor({ 0.2, -0.4 }, f64), rl.zeros({ 2, 2 }, f64)
  local x, c = rl.tensor({ 1, 2, -3 }, { dtype = "f64" }),
    rl.tensor({ { 1, 2 }, { 3, 4 } }, { dtype = "f64" })
  local opt, norm = rl.optim.LARS({ w, b, z }, o), nil
  for _ = 1, n or 3 do
    local y = w:matmul(x) + b
    local loss = (y * y * y):sum() * 0.1 + w:square():sum() + (z * c):sum()
    norm = opt:step(rl.grads({ loss }, { w, b, z })[1], o.clip)
  end
  return { w, b, z }, norm, opt
end

describe("LARS", function()
  local o = { lr = 0.05, momentum = 0.9, eta = 0.02, weight_decay = 0.1 }
  it("follows VICReg's optimiser: lengths scaled but for biases and for norms of 0", function()
    local p = steps(o)
    assert.is_close({ { 0.4959492694493, -1.007237738327, 2.010640676797 },
      { 0.2995842111563, 0.09938435300631, -0.6988390057465 } }, p[1], 1e-13)
    assert.is_close({ -5.289685313153, -0.7850758250156 }, p[2], 1e-12)
    assert.is_close({ { -0.13569005, -0.2713801 }, { -0.40707015, -0.5427602 } }, p[3], 1e-13)
  end)
  it("tells the gradients' norm, and shortens them before all else", function()
    local w = rl.tensor({ { 3, 4 } }, f64)
    local opt = rl.optim.LARS({ w }, { lr = 1, momentum = 0, eta = 0.5, weight_decay = 1 })
    local norm = opt:step({ rl.tensor({ { 6, 8 } }, { dtype = "f64" }) }, 5)
    assert.is_close(10, norm, 1e-15)
    -- g = (3, 4) + (3, 4); eta |w| / |g| = 0.25
    assert.is_close({ { 1.5, 2 } }, w, 1e-15)
    assert.is_close({ { 6, 8 } }, opt.state[1].momentum_buffer * 4, 1e-12)
  end)
  it("restores exactly, and moves nothing by a gradient that is not finite", function()
    local whole = steps(o, 6)
    local half, _, opt = steps(o, 3)
    local again = rl.optim.LARS(half, { lr = 0.05, momentum = 0.9, eta = 0.02, weight_decay = 0.1 })
    again:load_state_dict(opt:state_dict())
    local x, c = rl.tensor({ 1, 2, -3 }, { dtype = "f64" }),
      rl.tensor({ { 1, 2 }, { 3, 4 } }, { dtype = "f64" })
    for _ = 1, 3 do
      local y = half[1]:matmul(x) + half[2]
      local loss = (y * y * y):sum() * 0.1 + half[1]:square():sum() + (half[3] * c):sum()
      again:step(rl.grads({ loss }, half)[1])
    end
    for k = 1, 3 do assert.truthy(half[k]:detach():equal(whole[k]:detach())) end
    local before = half[1]:detach():clone()
    local g = { half[1]:detach() / 0, half[2]:detach(), half[3]:detach() }
    assert.is_false(again:step(g, math.huge) < math.huge)
    assert.truthy(half[1]:detach():equal(before))
    assert.error_matches(function() rl.optim.LARS(half, { trust = 1 }) end, 'LARS: unknown option "trust"')
  end)
  it("gives the same bits for one thread and for two", function()
    local made = {}
    local threads = rl.threads()
    for n = 1, 2 do
      rl.threads(n)
      rl.manual_seed(1)
      local w = rl.randn({ 300, 700 }, { requires_grad = true })
      rl.optim.LARS({ w }, { lr = 1, eta = 0.1 }):step { rl.randn { 300, 700 } }
      made[n] = w:detach()
    end
    rl.threads(threads)
    assert.truthy(made[1]:equal(made[2]))
  end)
end)
