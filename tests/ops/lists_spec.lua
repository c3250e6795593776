local rl = require "rille"
local wave = require "support.wave"
local f64 = { dtype = "f64" }

local function close(want, got, tolerance) assert.is_close(want, got, tolerance or 1e-12) end

describe("lists", function()
  it("gives inner products per tensor, dots and norms over all", function()
    local a = { rl.tensor({ 1, 2 }, f64), rl.tensor({ { 3 } }, f64) }
    local b = { rl.tensor({ 4, -1 }, f64), rl.tensor({ { 2 } }, f64) }
    local g = rl.gram { a, b }
    close({ 5, 2, 2, 17 }, g[1])
    close({ 9, 6, 6, 4 }, g[2])
    close({ 8 }, { rl.list_dot(a, b) })
    close({ math.sqrt(14) }, { rl.list_norm(a) })
  end)
  it("does not lose tiny or huge f32 gradients", function()
    local tiny = { rl.full({ 100 }, 1e-30) }
    local huge = { rl.full({ 100 }, 1e30) }
    close({ 1e-29 }, { rl.list_norm(tiny) }, 1e-6)
    assert.is_true(math.abs(rl.list_norm(huge) / 1e31 - 1) < 1e-6)
  end)
  it("adds weighted lists, with weights for all or per tensor", function()
    local g = { { rl.tensor { 1, 2 }, rl.tensor { 3 } }, { rl.tensor { 10, 20 }, rl.tensor { 30 } } }
    local all = rl.combine(g, { 1, 0.5 })
    close({ 6, 12 }, all[1], 1e-6)
    close({ 18 }, all[2], 1e-6)
    local each = rl.combine(g, { { 1, 0 }, { 0, 1 } })
    close({ 1, 2 }, each[1], 1e-6)
    close({ 30 }, each[2], 1e-6)
  end)
  it("lets nothing of a list with weight 0 through, not even an infinity", function()
    local g = { { rl.tensor { 1 } }, { rl.tensor { math.huge } } }
    close({ 1 }, rl.combine(g, { 1, 0 })[1], 0)
    close({ 0 }, rl.combine(g, { 0, 0 })[1], 0)
  end)
  it("gives the same bytes for any number of threads, also for transposed gradients", function()
    rl.manual_seed(1)
    local g = { { rl.randn { 300, 500 }, rl.randn { 7 } }, { rl.randn({ 500, 300 }):t(), rl.randn { 7 } } }
    local want, was = nil, rl.threads()
    for n = 1, 4 do
      rl.threads(n)
      local got = rl.gram(g)[1]
      want = want or got
      assert.are.same(want, got)
    end
    rl.threads(was)
    local plain = (g[1][1]:to "f64" * g[2][1]:to "f64"):sum():item()
    close({ plain }, { want[2] }, 1e-9)
  end)
  it("refuses lists that do not fit", function()
    local one, two = rl.tensor { 1 }, rl.tensor { 1, 2 }
    assert.error_matches(function() rl.gram { { one }, {} } end, "gram: list 1 has 1 tensors, list 2 has 0")
    assert.error_matches(function() rl.list_dot({ one }, { two }) end,
      "tensor 1 is 1 f32 in list 1 and 2 f32 in list 2")
  end)
end)

-- From PyTorch 2.13 in f64: p = (1, -2, 3), gradient p^2 / 10 + 0.1 at each of four steps.
local ADAM = {
  { 0.9000000047619046, -2.0999999979166666, 2.900000000970874 },
  { 0.8003851199519224, -2.2001284495332123, 2.8002012989520226 },
  { 0.7014014974874417, -2.300468374944423, 2.700745036822528 },
  { 0.6032738235088042, -2.4011002981433656, 2.6017763203311257 }
}
local ADAMW = {
  { 0.8990000049999998, -2.097999998, 2.897000001 },
  { 0.7984898382601616, -2.196028670668095, 2.7943152186909055 },
  { 0.6987125277389685, -2.294167683228822, 2.6920941101679072 },
  { 0.5998845031439453, -2.3924960600496195, 2.5904890547781037 }
}
local SGD = {
  { 0.97, -2.03, 2.87 },
  { 0.9408909999999999, -2.0609089999999997, 2.7489310000000002 },
  { 0.91262933126119, -2.09277336906281, 2.63587547357239 },
  { 0.8851741149857956, -2.125642639114767, 2.5300383237148614 }
}
local MOMENTUM = {
  { 0.98, -2.05, 2.9 },
  { 0.952198, -2.1210125, 2.76295 },
  { 0.9176427948439799, -2.212417220125781, 2.5964355364875 },
  { 0.8773327687089165, -2.3241554180185298, 2.407865131850574 }
}
local NESTEROV = {
  { 0.962, -2.095, 2.81 },
  { 0.909216564, -2.237891475, 2.5599741 },
  { 0.8443336471552125, -2.432147584323676, 2.2714998095392542 },
  { 0.7698340079905216, -2.684296153996784, 1.96281963834862 }
}

local function follow(step_of, want)
  local p = rl.tensor({ 1, -2, 3 }, f64)
  for k = 1, 4 do
    local g = (p * p) * 0.1 + 0.1
    step_of(p, g, k)
    close(want[k], p, 1e-12)
  end
end

describe("adam_step", function()
  local function adam(options)
    local m, v = rl.zeros({ 3 }, f64), rl.zeros({ 3 }, f64)
    return function(p, g, k)
      options.step = k
      rl.adam_step({ p }, { g }, { m }, { v }, options)
    end
  end
  it("follows Adam with weight decay", function()
    follow(adam { lr = 0.1, weight_decay = 0.01 }, ADAM)
  end)
  it("follows AdamW", function()
    follow(adam { lr = 0.1, weight_decay = 0.01, decoupled = true }, ADAMW)
  end)
  it("leaves gradients alone and marks parameters as changed", function()
    local p, g = rl.tensor({ 1 }), rl.tensor({ 2 })
    local before = p.version
    rl.adam_step({ p }, { g }, { rl.zeros { 1 } }, { rl.zeros { 1 } }, { lr = 0.1, step = 1 })
    close({ 2 }, g)
    close({ 0.9 }, p, 1e-6)
    assert.is_true(p.version > before)
  end)
end)

describe("sgd_step", function()
  local function sgd(options)
    local buffer = options.momentum and { rl.zeros({ 3 }, f64) } or nil
    return function(p, g, k)
      options.first = k == 1
      rl.sgd_step({ p }, { g }, buffer, options)
    end
  end
  it("follows plain SGD with decay", function() follow(sgd { lr = 0.1, weight_decay = 0.1 }, SGD) end)
  it("follows momentum with dampening", function()
    follow(sgd { lr = 0.1, momentum = 0.9, dampening = 0.5 }, MOMENTUM)
  end)
  it("follows Nesterov", function() follow(sgd { lr = 0.1, momentum = 0.9, nesterov = true }, NESTEROV) end)
end)

describe("a step with clip", function()
  local function state() -- two tensors, one of them past a stretch
    local p = { wave({ 300, 70 }, 1, f64), wave({ 5 }, 2, f64) }
    local g = { wave({ 70, 300 }, 3, f64):t(), wave({ 5 }, 4, f64) }
    return p, g, { rl.zeros({ 300, 70 }, f64), rl.zeros({ 5 }, f64) },
      { rl.zeros({ 300, 70 }, f64), rl.zeros({ 5 }, f64) }
  end
  local function alike(want, got)
    for i = 1, #want do close(want[i], got[i], 1e-14) end
  end
  it("gives the norm and shortens what is longer", function()
    for _, clip in ipairs { 0.5, 1e9, math.huge } do
      local p, g, m, v = state()
      local norm = rl.list_norm(g)
      local q, _, m2, v2 = state()
      local short = rl.combine({ g }, { math.min(1, clip / norm) })
      rl.adam_step(q, short, m2, v2, { lr = 0.1, step = 1 })
      close({ norm }, { rl.adam_step(p, g, m, v, { lr = 0.1, step = 1, clip = clip }) }, 1e-15)
      for _, pair in ipairs { { q, p }, { m2, m }, { v2, v } } do alike(pair[1], pair[2]) end
      rl.sgd_step(q, short, m2, { lr = 0.1, momentum = 0.9 })
      close({ norm }, { rl.sgd_step(p, g, m, { lr = 0.1, momentum = 0.9, clip = clip }) }, 1e-15)
      alike(q, p)
      alike(m2, m)
    end
  end)
  it("moves nothing when the norm is not finite", function()
    for _, bad in ipairs { 0 / 0, math.huge, -math.huge } do
      local p, g, m, v = state()
      local q = state()
      g[2][3] = bad
      local version = p[1].version
      local norm = rl.adam_step(p, g, m, v, { clip = 1 })
      assert.is_true(norm ~= norm or norm == math.huge)
      rl.sgd_step(p, g, m, { momentum = 0.9, clip = 1 })
      alike(q, p)
      close(0, m[1]:abs():max())
      close(0, v[2]:abs():max())
      assert.are.equal(version, p[1].version)
    end
  end)
  it("takes f64 gradients whose squares leave its range", function()
    for _, size in ipairs { 1e200, 1e-200 } do
      local pair = { rl.tensor({ 3 * size }, f64), rl.tensor({ 4 * size }, f64) }
      close({ 5 }, { rl.list_norm(pair) / size }, 1e-14)
      local p = rl.tensor({ 1, 1 }, f64)
      local g = rl.tensor({ 3 * size, -4 * size }, f64)
      local norm = rl.sgd_step({ p }, { g }, nil, { lr = 1, clip = 0.5 })
      close({ 1 }, { norm / size / 5 }, 1e-14)
      close(size > 1 and { 0.7, 1.4 } or { 1, 1 }, p, 1e-14)
    end
    close({ 0 }, { rl.list_norm { rl.zeros({ 3 }, f64) } }, 0)
    close({ 0 }, { rl.list_norm {} }, 0)
  end)
  it("gives the same bytes for any number of threads", function()
    local was, want, g = rl.threads(), nil, {}
    rl.manual_seed(1)
    for i, s in ipairs { { 300, 500 }, { 7 }, { 40, 999 } } do g[i] = rl.randn(s) end
    for n = 1, 4 do
      rl.threads(n)
      local p, m, v = {}, {}, {}
      for i, t in ipairs(g) do p[i], m[i], v[i] = t:clone(), rl.zeros(t.shape), rl.zeros(t.shape) end
      local norm = rl.adam_step(p, g, m, v, { lr = 0.1, step = 1, clip = 0.1, weight_decay = 0.1 })
      want = want or { norm, p }
      assert.are.equal(want[1], norm)
      for i = 1, 3 do assert.is_true(want[2][i]:equal(p[i])) end
    end
    rl.threads(was)
  end)
  it("scales gradients before all else", function()
    local p, g = rl.tensor({ 1 }, f64), rl.tensor({ 2 }, f64)
    rl.sgd_step({ p }, { g }, nil, { lr = 1, scale = 0.25 })
    close({ 0.5 }, p)
  end)
  it("names what is no tensor", function()
    assert.error_matches(function() rl.sgd_step({ rl.ones { 1 } }, { 3 }, nil, {}) end,
      "sgd_step: item 1 of the gradients is number, not a tensor")
    assert.error_matches(function() rl.sgd_step({ rl.ones { 1 } }, {}, nil, {}) end,
      "sgd_step: 1 parameters, but 0 gradients")
  end)
end)
