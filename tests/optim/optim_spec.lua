local rl = require "rille"
local optim = rl.optim
local f64 = { dtype = "f64", requires_grad = true }

local c = rl.tensor({ 1, 2, -3 }, { dtype = "f64" })

-- Steps on sum(0.1 p^3 + c p) from 0.5, -1, 2.
local function start() return rl.tensor({ 0.5, -1, 2 }, f64) end

local function steps(p, opt, n)
  for _ = 1, n do
    opt:zero_grad();
    ((p * p * p):sum() * 0.1 + (p * c):sum()):backward()
    opt:step()
  end
  return p
end

describe("optimisers", function()
  it("follow PyTorch 2.13 over three steps in f64", function()
    local want = {
      { optim.Adam, { lr = 0.1 }, { 0.200250180773733, -1.3002292772412, 2.29904461799302 } },
      { optim.Adam, { lr = 0.1, betas = { 0.8, 0.95 }, eps = 1e-3, weight_decay = 0.1 },
        { 0.200811400822255, -1.30022119816035, 2.29800502952848 } },
      { optim.AdamW, { lr = 0.1, weight_decay = 0.1 },
        { 0.188399176109067, -1.26751625320569, 2.2369073134821 } },
      { optim.SGD, { lr = 0.1 }, { 0.185392094815765, -1.74069000399307, 2.47352091034448 } },
      { optim.SGD, { lr = 0.1, momentum = 0.9, dampening = 0.2, weight_decay = 0.1 },
        { -0.0521641439413375, -2.15843997474259, 2.72475476369474 } },
      { optim.SGD, { lr = 0.1, momentum = 0.9, nesterov = true },
        { -0.33781433513841, -3.1372752984206, 3.12654685411172 } },
    }
    for _, w in ipairs(want) do
      local p = start()
      assert.is_close(w[3], steps(p, w[1]({ p }, w[2]), 3), 1e-13)
    end
  end)
  it("take gradients as a list, and never write into them", function()
    local p, g = start(), rl.tensor({ 1, 1, 1 }, { dtype = "f64" })
    optim.Adam({ p }, { lr = 0.1, weight_decay = 1 }):step { g }
    assert.is_close({ 1, 1, 1 }, g, 0)
    assert.is_close({ 0.4, -1, 1.9 }, p, 1e-6) -- the second's gradient and decay cancel
    assert.error_matches(function() optim.Adam({ p }):step {} end, "Adam: 0 gradients for 1 parameters")
  end)
  it("leave parameters without gradient as they are, and count steps for each", function()
    local p, q = start(), start()
    local opt = optim.Adam({ p, q }, { lr = 0.1 })
    steps(p, opt, 1)
    assert.is_close({ 0.5, -1, 2 }, q, 0)
    q.grad = rl.ones({ 3 }, { dtype = "f64" })
    opt:step() -- the first step of q: bias corrected as such, so its length is lr
    assert.is_close({ 0.4, -1.1, 1.9 }, q, 1e-6)
    assert.same({ 2, 1 }, { opt:state_dict().numbers.step, opt:state_dict().numbers["2.step"] })
  end)
  it("read the rate anew at each step", function()
    local p = start()
    local opt = optim.SGD({ p }, { lr = 1 })
    opt.lr = 0
    opt:step { rl.ones({ 3 }, { dtype = "f64" }) }
    assert.is_close({ 0.5, -1, 2 }, p, 0)
    opt.lr = 0.5
    opt:step { rl.ones({ 3 }, { dtype = "f64" }) }
    assert.is_close({ 0, -1.5, 1.5 }, p, 1e-15)
    opt.lr = 0 / 0
    assert.error_matches(function() opt:step {} end, "SGD: ")
  end)
  it("restore exactly: half the steps, saved, and the other half give the same bits", function()
    for _, make in ipairs {
      function(p) return optim.Adam({ { name = "w", tensor = p } }, { lr = 0.1 }) end,
      function(p) return optim.SGD({ { name = "w", tensor = p } }, { lr = 0.1, momentum = 0.9 }) end,
    } do
      local whole, again = start(), start()
      steps(whole, make(whole), 6)
      local first, second = make(again), make(again)
      steps(again, first, 3)
      second:load_state_dict(first:state_dict())
      steps(start(), first, 1) -- no gradient reaches it; its state is its own
      steps(again, second, 3)
      assert.truthy(again:detach():equal(whole:detach()))
    end
  end)
  it("name their state by parameter, and refuse what is not theirs", function()
    local p = start()
    local opt = optim.Adam({ { name = "net.weight", tensor = p } }, { lr = 0.1 })
    steps(p, opt, 1)
    local s = opt:state_dict()
    assert.truthy(s.tensors["net.weight.exp_avg"] and s.tensors["net.weight.exp_avg_sq"])
    assert.same({ lr = 0.1, step = 1 }, s.numbers)
    assert.error_matches(function()
      optim.Adam({ { name = "net.weigth", tensor = p } }):load_state_dict(s)
    end, 'unknown parameter "net.weight"; did you mean "net.weigth"?')
    local q = rl.zeros({ 2 }, f64)
    assert.error_matches(function()
      optim.Adam({ { name = "net.weight", tensor = q } }):load_state_dict(s)
    end, "is 3, the parameter 2")
  end)
  it("give groups their own rate and decay, by names", function()
    local a, b = rl.ones({ 1 }, f64), rl.ones({ 1 }, f64)
    local opt = optim.SGD({ { name = "encoder.w", tensor = a }, { name = "head.w", tensor = b } },
      { lr = 1, weight_decay = 0.5, groups = { { match = "encoder.", lr_scale = 0.1, weight_decay = 0 } } })
    local g = rl.ones({ 1 }, { dtype = "f64" })
    opt:step { g, g }
    assert.is_close({ 0.9, -0.5 }, { a:item(), b:item() }, 1e-15)
  end)
  it("refuse wrong options and wrong parameters", function()
    local p = start()
    assert.error_matches(function() optim.Adam({ p }, { learning_rate = 1 }) end,
      'Adam: unknown option "learning_rate"')
    assert.error_matches(function() optim.Adam({ p }, { lr = -1 }) end, "Adam: lr = -1")
    assert.error_matches(function() optim.SGD({ p }, { nesterov = true }) end,
      "SGD: nesterov needs a momentum")
    assert.error_matches(function() optim.Adam({}) end, "Adam: takes a list of parameters")
    assert.error_matches(function() optim.Adam({ p, p }) end, "Adam: parameter 2 is the same tensor as 1")
    assert.error_matches(function() optim.Adam({ p * 2 }) end,
      "Adam: parameter 1 is no tensor that can be trained")
  end)
end)

describe("clip_grad_norm", function()
  it("scales all gradients by one factor, and only where they are too long", function()
    local g = { rl.tensor { 3 }, rl.tensor { 4 } }
    local clipped, norm = optim.clip_grad_norm(g, 1)
    assert.is_close({ 5, 0.6, 0.8 }, { norm, clipped[1]:item(), clipped[2]:item() }, 1e-6)
    assert.is_close({ 3 }, g[1], 0)
    assert.equal(g, (optim.clip_grad_norm(g, 10)))
  end)
end)
