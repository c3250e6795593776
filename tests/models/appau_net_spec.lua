-- Segmentor and discriminator of KLTV: sizes as published, and against a second implementation in PyTorch
-- 2.13 (tests/twin/kltv_models.py), f64, weights by formula.
local rl = require "rille"
local formula = require "support.formula"
local models = rl.models
local wave, code = formula.wave, formula.code

local function filled(m)
  return formula.fill(m:to("f64"), function(shape)
    if #shape == 1 then return 0.3, 0.8 end
    local fan = 1
    for d = 2, #shape do fan = fan * shape[d] end
    return (2 / fan) ^ 0.5, 0
  end)
end

local function gradients(m)
  local sum = 0
  for i, p in ipairs(m:parameters()) do sum = sum + code(p.grad) * math.cos(i) end
  return sum
end

local function codes(list)
  local sum = 0
  for k, t in ipairs(list) do sum = sum + k * code(t) end
  return sum
end

local x = wave(7, { 2, 1, 32, 48 }, 1, 0.5)

describe("APPAU-Net", function()
  it("has the published number of parameters, each of its parts apart", function()
    local function count(o) return rl.nn.init.skip(models.APPAUNet, o):count() end
    local parts = { pyramid = 778624, attention = 611684, progressive = 451 }
    assert.equal(8636769, count { pyramid = false, attention = false, progressive = false })
    assert.equal(10027528, count {})
    for name, more in pairs(parts) do
      local o = { pyramid = false, attention = false, progressive = false, [name] = true }
      assert.equal(8636769 + more, count(o), name)
    end
  end)
  it("agrees with PyTorch, with and without its parts", function()
    for parts, want in pairs {
      [{ true, true, true }] = { -8.433097457403527, -3.918357793885421, 12348.419881813874,
        0.3257516784718747 },
      [{ false, false, false }] = { 4.088722336180994, 0, 3621.052955414411, 0.30321913373680376 },
      [{ true, false, true }] = { 22.134753944541895, 0, -223449.43456383262, 0.29680513423396393 },
    } do
      local m = filled(models.APPAUNet { width = 0.125, pyramid = parts[1], attention = parts[2],
        progressive = parts[3] })
      local logits, gates = m(x)
      local sum
      for k, y in ipairs(logits) do
        local one = (y * wave(k, y.shape)):sum()
        sum = sum and sum + one or one
      end
      sum:backward()
      assert.equal(parts[3] and 4 or 1, #logits)
      assert.equal(parts[2] and 4 or 0, #gates)
      local got = { codes(logits), codes(gates), gradients(m), code(m.decode2.bn1.running_var) }
      assert.is_close(want, got, 1e-9)
    end
  end)
  it("shrinks with width, and refuses what cannot be", function()
    assert.same({ 64, 128, 3, 3 }, models.APPAUNet { width = 0.25, attention = false }.up4.conv.weight.shape)
    assert.error_matches(function() models.APPAUNet { atention = false } end,
      'APPAUNet: unknown option "atention"; did you mean "attention"?')
    assert.error_matches(function() models.APPAUNet { width = 0 } end, "APPAUNet: width = 0")
    assert.error_matches(function() models.APPAUNet { pyramid = 1 } end, "pyramid is true or false")
  end)
end)

describe("the mask discriminator", function()
  it("has the published number of parameters", function()
    assert.equal(2790755, rl.nn.init.skip(models.MaskDiscriminator):count())
  end)
  it("agrees with PyTorch, also as a plain classifier", function()
    for _, c in ipairs {
      { true, { 1.3439559465696842, -180.40479052360166, 0.38611092544297015 } },
      { false, { -0.29060449957551326, -278.7083710971803, 0.3840337002508006 } },
    } do
      local m = filled(models.MaskDiscriminator { classes = 3, width = 0.125, dropout = 0, mask = c[1] })
      local y = m(x, c[1] and wave(5, x.shape, 0.5, 0.5) or nil)
      assert.same({ 2, c[1] and 4 or 3 }, y.shape);
      (y * wave(3, y.shape)):sum():backward()
      assert.is_close(c[2], { code(y), gradients(m), code(m.bn4.running_var) }, 1e-9)
    end
  end)
end)
