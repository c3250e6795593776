-- The networks against a second implementation in PyTorch 2.13 (tests/twin/models.py), f64, weights by
-- formula.
local rl = require "rille"
local formula = require "support.formula"
local models = rl.models
local wave, code = formula.wave, formula.code

local function spread(shape) -- convolutions as He would, norms and biases around 0.8
  if #shape == 1 then return 0.3, 0.8 end
  local fan = 1
  for d = 2, #shape do fan = fan * shape[d] end
  return (2 / fan) ^ 0.5, 0
end

local function filled(m) return formula.fill(m:to("f64"), spread) end

local function gradients(list)
  local sum, i = 0, 0
  for _, m in ipairs(list) do
    for _, p in ipairs(m:parameters()) do
      i = i + 1
      sum = sum + code(p.grad) * math.cos(i)
    end
  end
  return sum
end

local function densenet(fused)
  local m = filled(models.DenseNet { blocks = { 2, 1 }, classes = 3, fused = fused })
  local y = m(wave(7, { 2, 3, 32, 32 }, 1, 0.5));
  (y * wave(3, { 2, 3 })):sum():backward()
  return m, y
end

describe("networks", function()
  it("DenseNet agrees with PyTorch, whole blocks as one op or op by op", function()
    for _, fused in ipairs { true, false } do
      local m, y = densenet(fused)
      assert.is_close({ 0.326503030648562, -96.5557401855822, 0.282067836511793 },
        { code(y), gradients { m }, code(m.features.norm5.running_var) }, 1e-10)
      assert.equal(1, m.features.denseblock1.denselayer2.norm2.num_batches_tracked:item())
    end
  end)
  it("DenseNet's parts make the whole, and a grey image is repeated", function()
    local m = filled(models.DenseNet { blocks = { 1, 1 }, growth = 4, initial = 8, classes = 2 }):eval()
    local x = wave(7, { 2, 1, 32, 32 })
    local f4 = m:features(x)
    assert.same({ 2, m.width, 4, 4 }, f4.shape)
    assert.is_close(m(rl.cat({ x, x, x }, { dim = 2 })), m.classifier(rl.mean(m:final(f4), { -2, -1 })),
      1e-12)
    local all = rl.nn.ModuleDict { net = m }
    assert.equal("net.features.denseblock2", all.net:features(x).path)
    assert.equal("net.features", all.net:final(f4).path)
  end)
  it("DenseNet runs op by op where somebody looks inside or modes differ", function()
    local m, seen = models.DenseNet { blocks = { 2 }, growth = 4, initial = 8, classes = 2 }, nil
    m.features.denseblock1.denselayer2.norm1:eval()
    local before = m.features.denseblock1.denselayer2.norm1.running_mean:clone()
    m.features.denseblock1.denselayer1.conv1:register_forward_hook(function(_, y) seen = y.shape end)
    m(rl.rand { 2, 3, 32, 32 })
    assert.same({ 2, 16, 8, 8 }, seen)
    assert.is_close(before, m.features.denseblock1.denselayer2.norm1.running_mean, 0)
  end)
  it("the saliency networks agree with PyTorch", function()
    local e, d = filled(models.ResSEEncoder { width = 0.25 }),
      filled(models.ResSEDecoder { width = 0.25, features = 24 })
    local h, f = filled(models.SaliencyHead { width = 0.25 }),
      filled(models.FusionClassifier { width = 0.25, features = 24 })
    f:eval()
    local f4 = wave(8, { 2, 24, 1, 1 }, 1, 0.2)
    local d1 = d(f4, e(wave(7, { 2, 1, 32, 32 }, 1, 0.5)))
    local map, logits = h(d1), f(f:pool(f4, d1));
    ((map * wave(3, { 2, 1, 32, 32 })):mean() + (logits * wave(4, { 2, 3 })):sum()):backward()
    assert.is_close({ -0.557393752031142, -0.380840572810796, 1.61998476257241 },
      { code(map), code(logits), gradients { e, d, h, f } }, 1e-10)
  end)
  it("ResNets agree with PyTorch, grey images are repeated, taps are the levels' maps", function()
    for _, c in ipairs {
      { "basic", { 1, 1, 2, 1 }, "layer3.1.bn2.running_var",
        { -0.36660611909474006, -2816.532846236875, -1.303329617982545 } },
      { "bottleneck", { 1, 1, 1, 1 }, "layer2.0.downsample.1.running_var",
        { 0.495863214844352, 16676.223265503595, -0.8423672744701695 } },
    } do
      local m = filled(models.ResNet { block = c[1], layers = c[2], classes = 3 })
      local x = wave(7, { 2, 3, 32, 32 }, 1, 0.5)
      local y = m(x);
      (y * wave(3, { 2, 3 })):sum():backward()
      -- batches of two values per channel in the last layer: its norm magnifies rounding
      assert.is_close(c[4], { code(y), gradients { m }, code(m:state_dict()[c[3]]) }, 1e-8)
      local grey = x:narrow(2, 1, 1)
      m:eval()
      local maps = m:taps(grey)
      for k, t in ipairs(maps) do assert.same({ 2, m.widths[k], 32 >> k, 32 >> k }, t.shape) end
      assert.is_close(m(rl.cat({ grey, grey, grey }, { dim = 2 })), m.fc(rl.mean(maps[5], { -2, -1 })), 1e-12)
    end
  end)
  it("the U-Net on a ResNet agrees with PyTorch", function()
    local encoder = models.ResNet { block = "basic", layers = { 1, 1, 1, 1 }, classes = false }
    local m = filled(models.ResNetUNet { encoder = encoder, classes = 2, range = true })
    local y = m(wave(7, { 2, 3, 32, 32 }, 1, 0.5));
    (y * wave(3, y.shape)):sum():backward()
    assert.is_close({ -0.44526059994340944, -3452.3925521108995, -0.16875962591283256 },
      { code(y), gradients { m }, code(m.step2.bn2.running_var) }, 1e-8)
  end)
  it("SR-ResNet agrees with PyTorch, at the same size and at twice", function()
    local want = { { -0.8725320348458238, -2.3054060171122877, 0.30007703161800214 },
      { -0.1293148015836223, 12.171546127558567, 0.30007703161800214 } }
    for u, codes in ipairs(want) do
      local m = filled(models.SRResNet { upscale = u, width = 8, blocks = 2 })
      local y = m(wave(7, { 2, 3, 12, 10 }, 0.3, 0.5));
      (y * wave(3, y.shape)):sum():backward()
      assert.is_close(codes, { code(y), gradients { m }, code(m.block3.bn2.running_var) }, 1e-10)
    end
  end)
  it("variants of the saliency network run: no F4, no SE, identity, MT-UNet", function()
    local x, small = rl.rand { 2, 1, 32, 32 }, 1 / 16
    local e = models.ResSEEncoder { width = small, se = false, shortcut = "identity" }
    local maps = e(x)
    assert.is_nil(e.block1.shortcut or e.block1.se)
    local d = models.ResSEDecoder { width = small, features = false }
    assert.same({ 2, 4, 32, 32 }, d(nil, maps).shape)
    assert.is_nil(d.up5)
    local logits, map = models.MTUNet { width = small } (x)
    assert.same({ { 2, 3 }, { 2, 1, 32, 32 } }, { logits.shape, map.shape })
    assert.error_matches(function() d(maps) end, "ResSEDecoder: call it with F4 and the list of encoder maps")
  end)
end)
