local rl = require "rille"
local metrics = rl.metrics

-- Two images of two channels, as the reference draws them.
local H, W = 16, 14
local xs, ys, ms = {}, {}, {}
for n = 0, 1 do
  for c = 0, 1 do
    for i = 1, H * W do
      local row = (i - 1) // W
      local x = ((i * (31 + 2 * c + n)) % 97) / 97 * 0.3 + 0.25 * math.sin(row / 3 + c) + 0.35
      xs[#xs + 1], ys[#ys + 1] = x, x * 0.9 + ((i * (17 + c + 3 * n)) % 89) / 89 * 0.2
    end
  end
  for i = 0, H * W - 1 do ms[#ms + 1] = (i // W - 7) ^ 2 + (i % W - 6) ^ 2 < 20 and 1 or 0 end
end
local f64 = { dtype = "f64" }
local x, y = rl.tensor(xs, f64):reshape { 2, 2, H, W }, rl.tensor(ys, f64):reshape { 2, 2, H, W }
local mask = rl.tensor(ms):reshape { 2, 1, H, W }
local one = { data_range = 1 }

local function with(t)
  t.data_range = 1
  return t
end

describe("psnr", function()
  it("has the reference values", function()
    assert.is_close({ 22.223024326168304, 22.153778055854033 }, metrics.psnr(x, y, one), 1e-12)
    assert.is_close({ 28.243624239447925, 28.17437796913366 }, metrics.psnr(x, y, { data_range = 2 }), 1e-12)
    assert.is_close({ 22.222105137847862, 22.2766337374169 }, metrics.psnr(x, y, with { crop = 2 }), 1e-12)
    local even = rl.full({ 1, 1, 4, 4 }, 0.1, f64)
    assert.is_close({ 20 }, metrics.psnr(even * 0, even, one), 1e-12)
  end)
  it("looks inside and outside a mask", function()
    assert.is_close({ 22.601852661125235, 22.637812467776627 },
      metrics.psnr(x, y, with { mask = mask }), 1e-12)
    assert.is_close({ 22.089340275079454, 21.985662230099177 },
      metrics.psnr(x, y, with { mask = mask, outside = true }), 1e-12)
    assert.is_close(metrics.psnr(x, y, with { mask = mask }),
      metrics.psnr(x, y, with { mask = (mask * 255):to("u8") }), 1e-15)
    assert.same({ false, false }, metrics.psnr(x, y, with { mask = mask * 0 }))
  end)
  it("is undefined for equal images, and asks for the range", function()
    assert.same({ false, false }, metrics.psnr(x, x, one))
    assert.error_matches(function() metrics.psnr(x, y) end, "metrics.psnr: say data_range")
    assert.error_matches(function() metrics.psnr(x, rl.zeros { 2, 2, 4, 4 }, one) end,
      "metrics.psnr: 2x2x16x14 against 2x2x4x4")
    assert.error_matches(function() metrics.psnr(x, y, with { mask = rl.ones { 2, 2, H, W } }) end,
      "the mask of images 2x2x16x14 is one of 2x1x16x14")
  end)
end)

describe("ssim", function()
  -- valid: scikit-image 0.26; zero: scipy's correlate1d and torch's conv2d, which agree; reflect: scipy's
  -- mode mirror
  it("has the reference values with every padding", function()
    assert.is_close({ 0.8758253183693334, 0.8870237430577628 }, metrics.ssim(x, y, one), 1e-12)
    assert.is_close({ 0.9230382857509335, 0.922714740929624 }, metrics.ssim(x, y, with { padding = "zero" }),
      1e-12)
    assert.is_close({ 0.8537946932415138, 0.8461265155669075 },
      metrics.ssim(x, y, with { padding = "reflect" }), 1e-12)
  end)
  it("looks inside and outside a mask", function()
    assert.is_close({ 0.884315677810026, 0.8863862817043884 },
      metrics.ssim(x, y, with { padding = "zero", mask = mask }), 1e-12)
    assert.is_close({ 0.9375295684772857, 0.9363100538912152 },
      metrics.ssim(x, y, with { padding = "zero", mask = mask, outside = true }), 1e-12)
    -- where the window fits lies wholly inside this mask
    assert.is_close({ 0.8758253183693334, 0.8870237430577628 },
      metrics.ssim(x, y, with { mask = mask }), 1e-12)
    assert.same({ false, false }, metrics.ssim(x, y, with { mask = mask, outside = true }))
  end)
  it("is 1 for equal images, symmetric, and scales with the range", function()
    assert.is_close({ 1, 1 }, metrics.ssim(x, x, one), 1e-12)
    assert.is_close(metrics.ssim(x, y, one), metrics.ssim(y, x, one), 1e-12)
    assert.is_close(metrics.ssim(x, y, one), metrics.ssim(x * 255, y * 255, { data_range = 255 }), 1e-12)
    local even = rl.full({ 1, 1, 12, 12 }, 0.4, f64)
    assert.is_close({ (2 * 0.4 * 0.6 + 1e-4) / (0.4 ^ 2 + 0.6 ^ 2 + 1e-4) },
      metrics.ssim(even, even + 0.2, one), 1e-12)
  end)
  it("works through many images as through one", function()
    local many = rl.cat({ x, y, x, y, x }, { dim = 1 })
    local r = metrics.ssim(many, rl.cat({ y, y, x, x, y }, { dim = 1 }), with { padding = "zero" })
    assert.is_close({ 0.9230382857509335, 1, 1, 0.9230382857509335, 0.9230382857509335 },
      { r[1], r[3], r[5], r[7], r[9] }, 1e-12)
  end)
  it("refuses images smaller than the window", function()
    local small = rl.rand { 1, 1, 8, 20 }
    assert.error_matches(function() metrics.ssim(small, small, one) end,
      'images of 8x20, padding "valid" needs 11 pixels')
    assert.is_close({ 1 }, metrics.ssim(small, small, with { padding = "reflect" }), 1e-12)
    assert.error_matches(function() metrics.ssim(small, small, with { padding = "same" }) end, "it is one of")
  end)
end)
