local rl, gradcheck = require "rille", require "rille.testing.gradcheck"
local wave = require "support.wave"
local f64 = { dtype = "f64" }

-- The same by views: split the channels, bring each part behind its dim, join.
local function plain(x, r)
  local n, c, h, w = table.unpack(x.shape)
  c = c // (r * r)
  return x:reshape { n, c, r, r, h, w }:permute { 1, 2, 5, 3, 6, 4 }:reshape { n, c, h * r, w * r }
end

describe("pixel_shuffle", function()
  it("spreads four channels over a square", function()
    local x = rl.arange(1, 8):double():reshape { 1, 8, 1, 1 }
    assert.is_close({ { { { 1, 2 }, { 3, 4 } }, { { 5, 6 }, { 7, 8 } } } }, rl.pixel_shuffle(x, 2), 0)
  end)
  it("moves what views would move, both ways", function()
    for _, case in ipairs { { { 2, 12, 3, 5 }, 2 }, { { 1, 68, 4, 3 }, 2 }, { { 2, 18, 2, 3 }, 3 },
      { { 2, 3, 2, 2 }, 1 } } do
      local x, r = wave(case[1], 1, { dtype = "f64", requires_grad = true }), case[2]
      local y, want = rl.pixel_shuffle(x, { upscale_factor = r }), plain(x, r)
      assert.is_close(want, y, 0)
      local seed = wave(y.shape, 3, f64)
      assert.is_close(rl.grad(want, x, { seed = seed }), rl.grad(y, x, { seed = seed }), 0)
    end
  end)
  it("has the right gradient through a view", function()
    gradcheck(function(x) return rl.pixel_shuffle(x:transpose(1, 2), 2) end, { wave({ 4, 2, 2, 3 }, 1, f64) })
  end)
  it("takes empty batches", function()
    assert.same({ 0, 1, 4, 6 }, rl.pixel_shuffle(rl.ones { 0, 4, 2, 3 }, 2).shape)
  end)
  it("refuses channels that do not make squares", function()
    assert.error_matches(function() rl.pixel_shuffle(rl.ones { 1, 6, 2, 2 }, 2) end,
      "pixel_shuffle: x is 1x6x2x2")
    assert.error_matches(function() rl.pixel_shuffle(rl.ones { 4, 2, 2 }, 2) end,
      "pixel_shuffle: x is 4x2x2")
    assert.error_matches(function() rl.pixel_shuffle(rl.ones { 1, 4, 2, 2 }, 0) end,
      "pixel_shuffle: upscale_factor = 0")
  end)
end)
