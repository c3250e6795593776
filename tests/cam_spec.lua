-- Maps against PyTorch 2.13 (autograd; ReLUs with a backward of their own), networks and images by formula.
local rl = require "rille"
local formula = require "support.formula"
local models, cam = rl.models, rl.cam
local wave, code = formula.wave, formula.code

local function spread(shape)
  if #shape == 1 then return 0.3, 0.8 end
  local fan = 1
  for d = 2, #shape do fan = fan * shape[d] end
  return (2 / fan) ^ 0.5, 0
end

local function small(classes)
  local m = models.ResNet { block = "basic", layers = { 1, 1, 1, 1 }, classes = classes, width = 8 }
  return formula.fill(m:to "f64", spread):eval()
end

describe("rl.cam", function()
  local x, of = wave(7, { 2, 3, 32, 32 }, 1, 0.5), rl.tensor({ 3, 1 }, { dtype = "i64" })
  local m = small(3)
  local maps = m:taps(x)
  local function above(a) return m:head(m.layer4(m.layer3(a))) end

  it("weighs maps by the last layer, and by slopes, as PyTorch does", function()
    assert.is_close(-1.1106422279403758, code(cam.cam(rl.cat({ maps[3], maps[3], maps[3], maps[3] },
      { dim = 2 }), m.fc.weight, of)), 1e-11)
    local grad_cam = cam.grad_cam(maps[3], above, of)
    assert.same({ 2, 1, 4, 4 }, grad_cam.shape)
    assert.is_close(1.5865697483127305, code(grad_cam) * 1e3, 1e-10)
    assert.equal(15, grad_cam:gt(0):double():sum():item())
    assert.is_close(1.5843092744661154, code(cam.picture(grad_cam, x)), 1e-8)
  end)
  it("Grad-CAM of a mean and a linear layer is CAM above 0, by the number of pixels", function()
    local one = maps[4]
    local function head(a) return rl.linear(a:mean { -2, -1 }, m.fc.weight:narrow(2, 1, 32)) end
    local want = rl.relu(cam.cam(one, m.fc.weight:narrow(2, 1, 32), of)) / (one.shape[3] * one.shape[4])
    assert.is_close(want, cam.grad_cam(one, head, of), 1e-12)
  end)
  it("guided backpropagation as PyTorch's, of a class and of a mask, and leaves no trace", function()
    assert.is_close(-2.44528729955389, code(cam.guided(m, x, of)) * 100, 1e-10)
    local encoder = models.ResNet { block = "basic", layers = { 1, 1, 1, 1 }, classes = false, width = 8 }
    local u = formula.fill(models.ResNetUNet { encoder = encoder }:to "f64", spread):eval()
    for _, p in ipairs(u:parameters()) do p.requires_grad = false end
    local mask = wave(5, { 2, 1, 32, 32 }):gt(0)
    assert.is_close(-21.60698878276657, code(cam.guided(u, x, mask)) * 1e6, 1e-10)
    local y, fused = m(x), require "rille.nn.fused"
    pcall(cam.guided, function() error "no" end, x, of)
    assert.is_nil(fused.relu)
    assert.is_false(fused.off)
    assert.is_close(y, m(x), 0)
  end)
  it("guides DenseNet and ReLU layers too", function()
    local d = models.DenseNet { blocks = { 1, 1 }, growth = 4, initial = 8, classes = 3 }
    d:to("f64"):eval()
    local plain = x:detach()
    plain.requires_grad = true
    local slope = rl.grad((d(plain) * rl.one_hot(of, 3, { dtype = "f64" })):sum(), plain)
    assert.is_true((cam.guided(d, x, of) - slope):abs():max():item() > 1e-6)
    local net = rl.nn.Sequential(rl.nn.ReLU(), rl.nn.Flatten(-3, -1))
    local z = rl.tensor({ 1, 2, -1 }, { dtype = "f64" }):reshape { 1, 3, 1, 1 }
    local weights = rl.tensor({ { 1, -1, 1 } }, { dtype = "f64" })
    assert.is_close({ 1, 0, 0 }, cam.guided(net, z, weights), 0)
  end)
  it("shows where a recogniser looks, from 0 to 1, and images do not meet", function()
    for _, task in ipairs { "classify", "segment" } do
      local r = models.Recogniser { task = task, width = 4, classes = 3 }:to("f64"):eval()
      for _, p in ipairs(r:parameters()) do p.requires_grad = false end
      local look = r:looks(x)
      assert.same({ 2, 1, 32, 32 }, look.shape)
      assert.is_close(look[{ { 2, 2 } }], r:looks(x[{ { 2, 2 } }]), 1e-9)
      assert.is_close(r(x), r:answer(r:taps(x)), 0)
    end
    assert.is_close(rl.zeros { 1, 1, 4, 4 }, cam.picture(rl.full({ 1, 1, 2, 2 }, 3), rl.zeros { 4, 4 }), 0)
  end)
  it("says what does not fit", function()
    assert.error_matches(function() cam.guided(m, x, rl.ones { 2, 1 }) end, "weights of 2x1 for logits of 2")
    assert.error_matches(function() cam.guided(m, x, of:narrow(1, 1, 1)) end, "one class per image")
    assert.error_matches(function() cam.cam(maps[3], m.fc.weight, of) end, "reads 64 channels")
  end)
end)
