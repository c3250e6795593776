local rl = require "rille"
local wave = require "support.wave"
local f64 = { dtype = "f64" }
local leaf = { dtype = "f64", requires_grad = true }

local plain
for _, row in ipairs(rl.ops) do
  if row.name == "norm_act" then plain = assert(load("local rl = ...; return " .. row.plain))(rl) end
end

local function moments(x) -- mean and biased variance of each channel
  local rows = x:permute { 1, 3, 4, 2 }:reshape { -1, x.shape[2] }
  local mean = rows:mean(1)
  return rl.stack({ mean, ((rows - mean) * (rows - mean)):mean(1) }, 1):detach()
end

local function list(n, seed, options) return wave({ n }, seed, options or leaf) end

describe("norm_act", function()
  it("takes moments that are known: the same as working them out, gradients too", function()
    local x, w, b = wave({ 2, 5, 3, 4 }, 1, leaf), list(5, 2), list(5, 3)
    local o = { training = true, momentum = 0.3, act = "relu" }
    local m1, v1 = rl.zeros({ 5 }, f64), rl.ones({ 5 }, f64)
    local m2, v2 = m1:clone(), v1:clone()
    local y = rl.norm_act(x, moments(x), m1, v1, w, b, o)
    local z = rl.norm_act(x, nil, m2, v2, w, b, o)
    assert.is_close(z, y, 1e-12)
    assert.is_close(m2, m1, 1e-12)
    assert.is_close(v2, v1, 1e-12)
    local seed = wave(y.shape, 7, f64)
    local g, h = rl.grad(y, { x, w, b }, { seed = seed }), rl.grad(z, { x, w, b }, { seed = seed })
    for i = 1, 3 do assert.is_close(h[i], g[i], 1e-12) end
  end)
  it("agrees with the plain ops on many rows and channels, in f32 too, for every activation", function()
    for _, act in ipairs { "none", "relu", "prelu" } do
      for _, shape in ipairs { { 3, 33, 9, 7 }, { 70, 300 }, { 2, 6, 1000 } } do
        for _, rest in ipairs { true, false } do
          local c = shape[2]
          local slope = act == "prelu" and list(c, 5) or nil
          local residual = rest and wave(shape, 4, leaf) or nil
          local args = { wave(shape, 1, leaf), list(c, 2), list(c, 3), slope, residual }
          local function run(f, dtype)
            local a = {}
            for i = 1, 5 do a[i] = args[i] and args[i]:to(dtype):detach():requires_grad_() end
            local y = f(a[1], nil, nil, nil, a[2], a[3], a[4], a[5], { training = true, act = act })
            local some = {}
            for i = 1, 5 do some[#some + 1] = a[i] end
            local g = rl.grad(y, some, { seed = wave(shape, 9, { dtype = dtype }) })
            return y, g
          end
          local y, g = run(plain, "f64")
          local z, h = run(rl.norm_act, "f64")
          assert.is_close(y, z, 1e-10)
          for i = 1, #g do assert.is_close(g[i], h[i], 1e-9) end
          assert.is_close(y, run(rl.norm_act, "f32"):double(), 1e-4)
        end
      end
    end
  end)
  it("takes several cotangents at once", function()
    local x, r, w = wave({ 4, 20, 3, 3 }, 1, leaf), wave({ 4, 20, 3, 3 }, 5, leaf), list(20, 2)
    local y = rl.norm_act(x, nil, nil, nil, w, nil, nil, r, { training = true, act = "relu" })
    local l1, l2 = (y * wave(y.shape, 3, f64)):sum(), (y * y * wave(y.shape, 4, f64)):sum()
    local both = rl.grads({ l1, l2 }, { x, w, r }, { retain = true })
    for k, l in ipairs { l1, l2 } do
      local one = rl.grad(l, { x, w, r }, { retain = true })
      for i = 1, 3 do assert.is_close(one[i], both[k][i], 1e-12) end
    end
  end)
  it("computes only what is asked for", function()
    local x, w, b = wave({ 2, 5, 3, 4 }, 1, f64), list(5, 2), list(5, 3)
    local mean, var = list(5, 4, f64), list(5, 5, f64):abs() + 0.5
    for _, o in ipairs { { training = true, act = "relu" }, { act = "relu" }, {} } do
      local y = rl.norm_act(x, nil, mean, var, w, b, o)
      local z = plain(x, nil, mean, var, w, b, nil, nil, o)
      local seed = wave(y.shape, 7, f64)
      local g, h = rl.grad(y, { w, b }, { seed = seed }), rl.grad(z, { w, b }, { seed = seed })
      for i = 1, 2 do assert.is_close(h[i], g[i], 1e-10) end
      assert.is_close(rl.grad(plain(x, nil, mean, var, w, b, nil, nil, o), b, { seed = seed }),
        rl.grad(rl.norm_act(x, nil, mean, var, w:detach(), b, o), b, { seed = seed }), 1e-10)
    end
  end)
  it("gives the same bits with 1 to 4 threads", function()
    local x, r = wave({ 3, 33, 40, 41 }, 1):float(), wave({ 3, 33, 40, 41 }, 3):float()
    local seed, was, first = wave({ 3, 33, 40, 41 }, 2):float(), rl.threads(), nil
    for threads = 1, 4 do
      rl.threads(threads)
      local xl, rest = x:detach(), r:detach()
      xl.requires_grad, rest.requires_grad = true, true
      local y = rl.norm_act(xl, nil, nil, nil, nil, nil, nil, rest, { training = true, act = "relu" })
      local g = rl.grad(y, { xl, rest }, { seed = seed })
      first = first or { y, g[1], g[2] }
      assert.is_true(first[1]:equal(y) and first[2]:equal(g[1]) and first[3]:equal(g[2]))
    end
    rl.threads(was)
  end)
  it("keeps a NaN in its own channel", function()
    local y = rl.norm_act(rl.tensor { { 0 / 0, 1 }, { 2, 3 } }, { training = true, act = "relu" }):tolist()
    assert.is_true(y[1][1] ~= y[1][1] and y[2][2] > 0.99)
  end)
  it("refuses what does not fit", function()
    local x = rl.ones { 2, 3 }
    local function raises(text, ...)
      local arguments = table.pack(...)
      assert.error_matches(function() rl.norm_act(table.unpack(arguments, 1, arguments.n)) end, text)
    end
    raises("norm_act: x is 3; it takes", rl.ones { 3 }, { training = true })
    raises("norm_act: moments is 3x2, x is 2x3; it must be 2x3", x, rl.ones({ 3, 2 }, f64),
      { training = true })
    raises("norm_act: residual is 3x2, x is 2x3", x, nil, nil, nil, nil, nil, nil, rl.ones { 3, 2 },
      { training = true })
    raises('act = "prelu" needs slope', x, { training = true, act = "prelu" })
    raises('only act = "prelu" reads', x, nil, nil, nil, nil, nil, rl.ones { 1 }, { training = true })
    raises("slope is 2 for 3 channels", x, nil, nil, nil, nil, nil, rl.ones { 2 },
      { training = true, act = "prelu" })
    raises("norm = false does not read weight", x, nil, nil, nil, rl.ones { 3 }, { norm = false })
    raises("without running statistics", x)
  end)
end)
