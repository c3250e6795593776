-- Blur and bicubic resizing against PyTorch 2.13 (conv2d on reflected borders; interpolate, antialiased and
-- not), on images by formula; noise against the engine's own draws.
local rl = require "rille"
local formula = require "support.formula"
local code, wave = formula.code, formula.wave

local f64 = { dtype = "f64" }

local function batch(image, o)
  o = o or {}
  return { image = image, split = o.split or "train", seed = o.seed or 5, epoch = o.epoch or 1,
    index = rl.tensor(o.index or { 4, 9 }, { dtype = "i64" }) }
end

local function degrade(image, chain, o) return rl.data.degrade(batch(image, o), chain) end

describe("degradations", function()
  local x = wave(7, { 2, 2, 8, 12 }, 0.4, 0.5)
  it("blur as PyTorch on reflected borders", function()
    assert.is_close({ 0.23790037829677566, 0.2492317454952639 },
      { code(degrade(x, { { "blur" } })), code(degrade(x, { { "blur", kernel = 5, sigma = 0.7 } })) }, 1e-12)
  end)
  it("shrink as PyTorch, antialiased and not, and grow back", function()
    for want, step in pairs {
      [0.1445271081244861] = { factor = 2 }, [0.27705031817636266] = { factor = 2, antialias = false },
      [-0.5667248747413149] = { factor = 4 }, [-1.044782482744854] = { factor = 4, antialias = false },
    } do
      step[1], step.clip = "bicubic", false
      assert.is_close(want, code(degrade(x, { step })), 1e-12)
    end
    local large = rl.data.resize(x, rl.zeros { 16, 24 })
    assert.is_close(-7.933208805491427, code(large), 1e-12)
    assert.is_true(rawequal(x, rl.data.resize(x, x)))
  end)
  it("add Gaussian noise of the strength asked for, and clip", function()
    local grey = rl.full({ 2, 1, 100, 100 }, 0.5, f64)
    for sigma, db in pairs { [0.05] = 26.0206, [0.1] = 20, [0.2] = 13.9794, [0.3] = 10.4576 } do
      local noisy = degrade(grey, { { "gaussian", sigma = sigma, clip = false } })
      for _, v in ipairs(rl.metrics.psnr(noisy, grey, { data_range = 1 })) do
        assert.is_true(math.abs(v - db) < 0.25) -- 5 deviations: 10^4 pixels give PSNR to 0.06 dB
      end
    end
    local noisy = degrade(grey, { { "gaussian", sigma = 0.4 } })
    assert.same({ 0, 1 }, { noisy:min():item(), noisy:max():item() })
  end)
  it("add Poisson noise by both readings", function()
    local grey = rl.full({ 2, 1, 100, 100 }, 0.4, f64)
    local a = degrade(grey, { { "poisson", rate = 0.1 } })
    local b = degrade(grey, { { "poisson", rate = 0.1, reading = "B" } })
    -- A: mean x, variance x rate, multiples of rate; B: mean x, variance x rate^2
    assert.is_close({ 0.4, 0.4 }, { a:mean():item(), b:mean():item() }, 0.008)
    assert.is_close({ 0.04, 0.004 }, { a:var():item(), b:var():item() }, 0.0025)
    assert.is_close((a * 10 + 0.5):to("i64"):double() / 10, a, 1e-12)
  end)
  it("are drawn by (seed, epoch, sample): neither neighbours nor other draws matter", function()
    local chain = { { "gaussian", sigma = 0.3 }, { "poisson" }, { "blur" } }
    rl.manual_seed(8)
    local before = rl.random_state()
    local both = degrade(x, chain)
    assert.same(before, rl.random_state())
    rl.randn { 3 }
    assert.is_close(both[{ { 2, 2 } }], degrade(x[{ { 2, 2 } }], chain, { index = { 9 } }), 0)
    for _, o in ipairs { { epoch = 2 }, { seed = 6 }, { index = { 5, 10 } } } do
      local other = degrade(x, chain, o)
      for i = 1, 2 do assert.is_true((other - both)[i]:abs():max():item() > 0.05) end
    end
  end)
  it("leave the images of no split alone, and say what they do not know", function()
    local b = batch(x)
    b.split = nil
    assert.is_true(rawequal(x, rl.data.degrade(b, { { "gaussian", sigma = 1 } })))
    assert.error_matches(function() degrade(x, { { "gausian" } }) end, 'did you mean "gaussian"?')
    assert.error_matches(function() degrade(x, { { "gaussian" } }) end, "data.degrade: gaussian: sigma")
    assert.error_matches(function() degrade(x, { { "blur", kernel = 4 } }) end, "kernel = 4; it is odd")
    assert.error_matches(function() degrade(x, { { "bicubic", factor = 5 } }) end,
      "factor = 5 does not divide images of 8x12")
  end)
end)
