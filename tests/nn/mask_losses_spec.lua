-- Losses of masks and of the adversarial game against closed forms and PyTorch 2.13 in f64
-- (tests/twin/kltv_models.py prints the numbers).
local rl, gradcheck = require "rille", require "rille.testing.gradcheck"
local formula = require "support.formula"
local F = rl.nn.functional
local wave, code = formula.wave, formula.code
local f64 = { dtype = "f64" }

local function value_and_slope(f, x)
  x = x:detach():clone()
  x.requires_grad = true
  local l = f(x)
  l:backward()
  return { l:item(), code(x.grad) }
end

local logits = wave(3, { 3, 1, 5, 4 }, 2)
local mask = wave(5, { 3, 1, 5, 4 }):gt(0):to("f64")

describe("losses of masks", function()
  it("have the published values", function()
    local p, g = rl.tensor({ { 0.8, 0.4, 0.3, 0.1 } }, f64), rl.tensor({ { 1, 1, 0, 0 } }, f64)
    local x = (p / (1 - p)):log()
    assert.is_close({ 0.361702, 0.284859, 0.646561 }, { F.tversky_loss(x, g, { eps = 0 }):item(),
      F.absolute_kl_loss(x, g):item(), F.kltv_loss(x, g, { eps = 0 }):item() }, 1e-6)
    assert.is_close(1 - 2 * 1.2 / (1.6 + 2), F.dice_loss(x, g, { eps = 0 }):item(), 1e-12)
  end)
  it("agree with PyTorch, values and gradients", function()
    local cases = {
      { F.tversky_loss, nil, 0.504444259753039, -0.006231678901164402 },
      { F.dice_loss, nil, 0.5076479096942538, -0.00648457583224646 },
      { F.focal_tversky_loss, nil, 0.5980415985768341, -0.005702156403195726 },
      { F.mask_cross_entropy, nil, 0.8956582101299503, -0.024134367887397062 },
      { F.absolute_kl_loss, nil, 0.4582620258369303, -0.010639117745588435 },
      { F.absolute_kl_loss, { reading = "both" }, 0.8956597275867187, -0.024134370875439508 },
      { F.absolute_kl_loss, { reading = "normalised" }, 0.9731237459030776, -0.027672530459549306 },
      { F.kltv_loss, { reading = "both", weight = 0.5 }, 0.9522741235463984, -0.018298864338884155 },
      { F.xe_tversky_loss, nil, 0.504444259753039 + 0.8956582101299503,
        -0.006231678901164402 - 0.024134367887397062 },
    }
    for _, c in ipairs(cases) do
      local got = value_and_slope(function(x) return c[1](x, mask, c[2]) end, logits)
      assert.is_close({ c[3], c[4] }, got, 1e-12)
    end
  end)
  it("have the right gradients, also where images lack a mask", function()
    local has = rl.tensor({ 1, 0, 1 }):gt(0)
    for _, name in ipairs { "tversky_loss", "focal_tversky_loss", "mask_cross_entropy", "kltv_loss" } do
      gradcheck(function(x) return F[name](x, mask, { has = has }) end, { logits })
    end
  end)
  it("count only images that have a mask, and are 0 without any", function()
    for _, name in ipairs { "tversky_loss", "dice_loss", "focal_tversky_loss", "mask_cross_entropy",
      "absolute_kl_loss", "kltv_loss", "xe_tversky_loss" } do
      local f, has, none = F[name], rl.tensor({ 1, 0, 0 }):gt(0), rl.tensor({ 0, 0, 0 }):gt(0)
      assert.is_close(f(logits:narrow(1, 1, 1), mask:narrow(1, 1, 1)):item(),
        f(logits, mask, { has = has }):item(), 1e-12)
      assert.equal(0, f(logits, mask, { has = none }):item(), name)
    end
  end)
  it("stay finite for perfect, empty and far-off masks", function()
    local far = rl.tensor({ 80, -80, 80, -80 }):reshape { 2, 1, 1, 2 }
    for _, g in ipairs { { 1, 0, 1, 0 }, { 0, 1, 0, 1 }, { 0, 0, 0, 0 } } do
      g = rl.tensor(g):reshape { 2, 1, 1, 2 }
      for _, name in ipairs { "tversky_loss", "focal_tversky_loss", "kltv_loss", "xe_tversky_loss" } do
        local got = value_and_slope(function(x) return F[name](x, g) end, far)
        assert.is_true(got[1] - got[1] == 0, name)
      end
      assert.is_close(0, F.kltv_loss(far, far:gt(0):to("f32")):item(), 1e-5)
    end
  end)
  it("refuse shapes that differ and readings that are none", function()
    assert.error_matches(function() F.tversky_loss(rl.zeros { 2, 1, 4, 4 }, rl.zeros { 2, 1, 4, 2 }) end,
      "tversky_loss: the logits are 2x1x4x4, the mask is 2x1x4x2")
    assert.error_matches(function() F.absolute_kl_loss(logits, mask, { reading = "two" }) end,
      "absolute_kl_loss: reading = two; it is one of: foreground, both, normalised")
  end)
end)

describe("losses of the adversarial game", function()
  local z, label = wave(4, { 4, 3 }, 2), rl.tensor({ 2, 1, 0, 0 }, { dtype = "i64" })

  it("agree with PyTorch, values and gradients", function()
    local all = rl.tensor({ 1, 1, 1, 1 }):gt(0)
    for _, c in ipairs {
      { function(x) return F.real_loss(x, label, all) end, 0.5218544769925754, 0.26189056936506994 },
      { F.fake_loss, 1.1414163437497322, -0.1144557830044102 },
      { F.fool_loss, 0.411794952138567, 0.1684606748998882 },
      { function(x) return F.label_loss(x:narrow(2, 1, 2), label) end, 0.2201190497080166,
        0.18685978893036348 },
    } do
      assert.is_close({ c[2], c[3] }, value_and_slope(c[1], z), 1e-12)
    end
  end)
  it("add the means of two groups of made pairs", function()
    assert.is_close(F.fake_loss(z:narrow(1, 1, 1)):item() + F.fake_loss(z:narrow(1, 2, 3)):item(),
      F.fake_loss(z, 1):item(), 1e-12)
    assert.equal(F.fake_loss(z):item(), F.fake_loss(z, 4):item())
  end)
  it("leave rows out, and are 0 without any", function()
    local none = rl.tensor({ 0, 0, 0, 0 }):gt(0)
    assert.equal(0, F.real_loss(z, label, none):item())
    assert.equal(0, F.label_loss(z, label, none):item())
    assert.equal(0, F.label_loss(z, rl.zeros({ 4 }, { dtype = "i64" })):item())
    assert.is_close(F.real_loss(z:narrow(1, 2, 1), label:narrow(1, 2, 1)):item(),
      F.real_loss(z, label, rl.tensor({ 0, 1, 0, 0 }):gt(0)):item(), 1e-12)
  end)
  it("keep their slope where the discriminator is sure", function()
    local sure = rl.tensor({ { -60, -60, 60 } }, f64)
    assert.is_close(120 - math.log(2), F.fool_loss(sure):item(), 1e-9)
    gradcheck(F.fool_loss, { rl.tensor({ { -2, 3, 20 }, { 1, 0, -9 } }, f64) })
    assert.error_matches(function() F.fool_loss(rl.zeros { 3 }) end,
      "fool_loss: the logits are 3; they must be N x (classes + 1)")
  end)
end)
