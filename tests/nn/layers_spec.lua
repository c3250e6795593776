-- Layers against PyTorch 2.13: what a state dict of its weights gives. Ops have their own specs; here it is
-- about settings, modes, buffers and names.
local rl = require "rille"
local formula = require "support.formula"
local nn = rl.nn
local wave, code = formula.wave, formula.code

local function filled(m) return formula.fill(m, function() return 0.5, 0 end) end

describe("layers", function()
  it("agree with PyTorch over two training steps of batch norm and then in evaluation", function()
    local m = filled(nn.Sequential(nn.Conv2d(3, 4, 3, { stride = 2, padding = { 1, 0 } }), nn.BatchNorm2d(4),
      nn.ReLU(),
      nn.MaxPool2d(2), nn.Flatten(-3, -1), nn.Linear(8, 3), nn.Tanh(),
        nn.BatchNorm1d(3, { momentum = false }),
      nn.Sigmoid()):to("f64"))
    local got = { code(m(wave(11, { 2, 3, 8, 6 }))), code(m(wave(12, { 2, 3, 8, 6 }))) }
    m:eval()
    got[3] = code(m(wave(13, { 2, 3, 8, 6 })))
    for _, name in ipairs { "1.running_mean", "1.running_var", "7.running_mean", "7.running_var" } do
      got[#got + 1] = code(m:state_dict()[name])
    end
    assert.is_close({ -0.0216572956493455, -0.582938528005674, -0.345853611758244, -0.0387032340256293,
      -1.39202858084233, 0.297939714378788, -0.0583854739639661 }, got, 1e-12)
    assert.equal(2, m:state_dict()["7.num_batches_tracked"]:item())
  end)
  it("squeeze and excite, resize and pool as PyTorch", function()
    local x = wave(5, { 2, 32, 3, 4 }, 1, 0.5)
    assert.is_close(0.799474611978326, code(filled(nn.SE(32):to("f64"))(x)), 1e-12)
    local m = nn.Sequential(nn.Upsample { scale_factor = 2, mode = "bilinear" },
      nn.AvgPool2d(3, { stride = 2, padding = 1 }), nn.AdaptiveAvgPool2d { 2, 3 })
    assert.is_close(0.601940037589747, code(m(x)), 1e-12)
  end)
  it("have the released triplet loss, with its gradient", function()
    local x = wave(3, { 5, 2, 3, 4 })
    x.requires_grad = true
    local l = nn.functional.released_triplet_loss(x, rl.tensor({ 1, 2, 1, 2, 2 }, { dtype = "i64" }))
    l:backward()
    assert.is_close({ 20.9658724860256, 0.309679197101986 }, { l:item(), code(x.grad) }, 1e-12)
    local none = nn.functional.released_triplet_loss(x, rl.tensor({ 1, 1, 1, 1, 1 }, { dtype = "i64" }))
    assert.equal(0, none:item())
    assert.equal(nn.functional.relu, rl.relu)
  end)
  it("start as PyTorch's do: uniform in +-1 / sqrt(fan_in), the same for the same seed", function()
    rl.manual_seed(5)
    local a = nn.Conv2d(8, 16, 3)
    rl.manual_seed(5)
    assert.truthy(a.weight:detach():equal(nn.Conv2d(8, 16, 3).weight:detach()))
    local bound = 1 / 72 ^ 0.5
    local w = nn.Linear(72, 500).weight:detach()
    assert.truthy(w:abs():max():item() <= bound and w:abs():max():item() > 0.99 * bound)
    assert.is_close(bound / 3 ^ 0.5, w:square():mean():item() ^ 0.5, 0.01)
    local t = rl.zeros { 64, 32, 3, 3 }
    nn.init.kaiming_normal_(t, { mode = "fan_out", nonlinearity = "relu" })
    assert.is_close((2 / (64 * 9)) ^ 0.5, t:square():mean():item() ^ 0.5, 0.01)
    nn.init.xavier_uniform_(t)
    assert.is_close((2 / (96 * 9)) ^ 0.5, t:square():mean():item() ^ 0.5, 0.01)
    assert.is_close({ 7 }, nn.init.constant_(rl.zeros { 1 }, 7))
  end)
  it("drop in training, and only there", function()
    rl.manual_seed(1)
    local m, x = nn.Dropout(0.25), rl.ones { 4000 }
    local y = m(x)
    assert.is_close({ 0, 4 / 3 }, { y:min():item(), y:max():item() })
    assert.is_close(1, y:mean():item(), 0.05) -- 3.5 standard errors
    assert.equal(x, m:eval()(x))
  end)
  it("LeakyReLU keeps its slope, which is no parameter, in either dtype", function()
    local m = nn.LeakyReLU(0.2)
    assert.equal(0, #m:named_state())
    for _, dtype in ipairs { "f32", "f64" } do
      assert.is_close({ -0.4, 3 }, m(rl.tensor({ -2, 3 }, { dtype = dtype })), 1e-7)
    end
    local chain = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), m, nn.Conv2d(3, 1, 1))
    filled(chain:to("f64"))
    local x, fused = wave(3, { 2, 2, 5, 5 }), nn.fused
    local y = chain(x)
    fused.off = true
    local plain = chain(x)
    fused.off = false
    assert.is_close(plain, y, 1e-12)
  end)
  it("PReLU has one slope or one per channel, PixelShuffle makes channels pixels", function()
    local x = rl.tensor { { { { -2, 3 } }, { { 4, -1 } } } } -- 1 x 2 x 1 x 2
    assert.is_close({ -0.5, 3, 4, -0.25 }, nn.PReLU()(x):flatten(1, -1))
    local m = nn.PReLU(2)
    rl.no_grad(function() m.weight:copy_(rl.tensor { 0.5, 2 }) end)
    m(x):sum():backward()
    assert.is_close({ -1, 3, 4, -2 }, m(x):flatten(1, -1))
    assert.is_close({ -2, -1 }, m.weight.grad)
    local y = nn.PixelShuffle(2)(rl.arange(16, { dtype = "f32" }):reshape { 1, 8, 1, 2 })
    assert.same({ 1, 2, 2, 4 }, y.shape)
    assert.is_close({ 1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10, 12, 13, 15, 14, 16 }, y:flatten(1, -1))
    assert.error_matches(function() nn.PixelShuffle(2)(rl.zeros { 1, 6, 2, 2 }) end,
      "pixel_shuffle: ")
  end)
  it("keep batch statistics apart when nothing is tracked, or no affine map is wanted", function()
    local m = nn.BatchNorm2d(2, { affine = false, track_running_stats = false }):eval()
    assert.equal(0, #m:named_state())
    assert.is_close(0, m(wave(1, { 2, 2, 3, 3 })):mean():item(), 1e-12)
  end)
  it("let a Sequential's own results go, and nothing of the caller's", function()
    local x = rl.rand { 64, 64, 8, 8 }
    local inner = nn.Sequential(nn.Identity(), nn.ReLU())
    local m = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Flatten(-3, -1), inner, nn.Tanh(), nn.Identity(),
      nn.Sigmoid())
    collectgarbage()
    local before = rl.memory().live
    local y = rl.no_grad(function() return m(x) end)
    assert.is_close(1, (rl.memory().live - before) / (x:numel() * 4), 0.01)
    assert.equal(64 * 64 * 64, x:numel())
    assert.is_close(rl.sigmoid(rl.tanh(rl.relu(x))):flatten(-3, -1), y, 1e-6)
  end)
  it("refuse options and sizes that cannot be", function()
    assert.error_matches(function() nn.Conv2d(3, 4, 3, { pading = 1 }) end,
      'Conv2d: unknown option "pading"; did you mean "padding"?')
    assert.error_matches(function() nn.Conv2d(3, 4, 3, { groups = 2 }) end,
      "Conv2d: groups = 2 divides neither or only one of 3 and 4")
    assert.error_matches(function() nn.Conv2d(0, 4, 3) end, "Conv2d: in_channels = 0")
    assert.error_matches(function() nn.Linear(3, 2.5) end, "Linear: out_features is an integer, not 2.5")
    assert.error_matches(function() nn.BatchNorm2d(3)(rl.zeros { 2, 3 }) end,
      "BatchNorm2d: the input is 2x3; it takes N x C x H x W")
    assert.error_matches(function() nn.Dropout(1.5) end, "Dropout: p = 1.5")
    assert.error_matches(function() nn.Upsample {} end, "Upsample: give either scale_factor or size")
    assert.error_matches(function() nn.Flatten(2) end, "Flatten: give the first and the last dim")
    assert.error_matches(function() nn.SE(8) end, "SE: reduction = 16 leaves nothing of 8 channels")
    assert.error_matches(function() nn.Linear(3, 2)(rl.zeros { 2, 4 }) end, "linear: ")
  end)
end)
