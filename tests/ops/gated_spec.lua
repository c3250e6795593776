local rl = require "rille"

-- The plain way, from small ops.
local function plain(x, gate, at)
  local y = x * gate
  local over = { dim = 2, keepdim = true }
  return y * at, rl.cat({ y:mean(over), (y:max(over)) }, { dim = 2 })
end

local function off(a, b) return ((a - b):abs():max() / b:abs():max()):item() end

-- x in one of two layouts; leaves that collect gradients.
local function leaves(dtype, n, c, h, w, layout)
  rl.manual_seed(n + c * h)
  local t = { rl.randn { n, c, h, w }, rl.rand { n, c, 1, 1 } + 0.1, rl.rand { n, 1, h, w } }
  for i, v in ipairs(t) do
    t[i] = dtype == "f64" and v:double() or v
    if i == 1 then t[i] = t[i]:contiguous(layout) end
    t[i].requires_grad = true
  end
  return t
end

describe("gated, gated_pool", function()
  it("agree with mul, mean and max, and so do their gradients", function()
    for _, case in ipairs { { "f64", 2, 19, 9, 7 }, { "f32", 2, 64, 23, 17 }, { "f32", 1, 600, 5, 7 },
      { "f32", 1, 3, 4, 4 }, { "f32", 3, 64, 150, 150 } } do
      local dtype, n, c, h, w = table.unpack(case)
      for _, layout in ipairs { "channels_last", "contiguous" } do
        local v = leaves(dtype, n, c, h, w, layout ~= "contiguous" and layout or nil)
        local y, pool = plain(v[1], v[2], v[3])
        local seeds = { rl.randn(y.shape), rl.randn(pool.shape) }
        if dtype == "f64" then seeds = { seeds[1]:double(), seeds[2]:double() } end
        local want = rl.grad(y, v, { seed = seeds[1], retain = true })
        local of_pool = rl.grad(pool, { v[1], v[2] }, { seed = seeds[2] })
        local near = dtype == "f64" and 1e-12 or 1e-5
        local ours, ours_pool = rl.gated(v[1], v[2], v[3]), rl.gated_pool(v[1], v[2])
        assert.is_true(off(ours, y) < near)
        assert.is_true(off(ours_pool, pool) < near)
        for i, d in ipairs(rl.grad(ours, v, { seed = seeds[1] })) do
          assert.is_true(off(d, want[i]) < near,
            ("gated, gradient %d of %s"):format(i, table.concat(case, " ")))
        end
        for i, d in ipairs(rl.grad(ours_pool, { v[1], v[2] }, { seed = seeds[2] })) do
          assert.is_true(off(d, of_pool[i]) < near,
            ("gated_pool, gradient %d of %s"):format(i, table.concat(case, " ")))
        end
      end
    end
  end)

  it("adds to a gradient that is there", function()
    local v = leaves("f64", 2, 19, 5, 5)
    local y, pool = plain(v[1], v[2], v[3])
    local want = rl.grad(y:square():sum() + pool:square():sum(), v)
    local both = rl.gated(v[1], v[2], v[3]):square():sum() + rl.gated_pool(v[1], v[2]):square():sum()
    for i, d in ipairs(rl.grad(both, v)) do assert.is_true(off(d, want[i]) < 1e-12) end
  end)

  it("lets a NaN win, and the first of equal ones", function()
    local x = rl.zeros { 1, 40, 5, 5 }
    local pool = rl.gated_pool(x, rl.ones { 1, 40, 1, 1 })
    assert.are.equal(0, pool:abs():sum():item())
    local values = {}
    for i = 1, 40 * 17 do values[i] = i == 20 * 17 + 3 and 0 / 0 or i end
    x = rl.tensor(values):reshape { 1, 40, 17, 1 }
    local largest = rl.gated_pool(x, rl.ones { 1, 40, 1, 1 }):narrow(2, 2, 1):reshape { -1 }
    for i = 1, 17 do assert.are.equal(i == 3, largest[i]:item() ~= largest[i]:item()) end
  end)

  it("says which shape is wrong", function()
    local x = rl.zeros { 2, 3, 4, 4 }
    assert.error_matches(function() rl.gated(x, rl.zeros { 2, 4, 1, 1 }, rl.zeros { 2, 1, 4, 4 }) end,
      "gated: gate is 2x4x1x1, must be 2x3x1x1")
    assert.error_matches(function() rl.gated(x, rl.zeros { 2, 3, 1, 1 }, rl.zeros { 2, 1, 4, 5 }) end,
      "gated: at is 2x1x4x5, must be 2x1x4x4")
    assert.error_matches(function() rl.gated_pool(rl.zeros { 2, 3 }, rl.zeros { 2, 3, 1, 1 }) end,
      "gated_pool: x is 2x3; it needs four dims")
  end)
end)
