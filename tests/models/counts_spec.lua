-- Parameter counts and names as published; nothing is drawn, so that it is quick.
local rl = require "rille"
local models = rl.models

local function without_drawing(make, o) return rl.nn.init.skip(make, o) end

describe("models", function()
  it("have as many parameters as published", function()
    local counts = {
      { models.ResSEEncoder, nil, 25294016 }, { models.ResSEDecoder, nil, 23086080 },
      { models.SaliencyHead, nil, 37121 }, { models.FusionClassifier, nil, 127235 },
      { models.densenet201, { classes = 3 }, 18098691 }, { models.densenet201, nil, 20013928 },
      { models.densenet121, nil, 7978856 }, { models.MTUNet, nil, 34632836 },
      { models.SRResNet, nil, 438666 }, { models.SRResNet, { upscale = 2 }, 586379 },
      { models.SRResNet, { upscale = 4 }, 734092 },
      { models.ResNetUNet, nil, 14329201 }, { models.ResNetUNet, { depth = 50 }, 32522097 },
      { models.ResNetUNet, { depth = 101 }, 51514225 },
      { models.Recogniser, { task = "segment" }, 14329201 },
      { models.Recogniser, { task = "classify", depth = 50, classes = 7 }, 23508032 + 7 * 2049 },
    }
    for _, c in ipairs(counts) do assert.equal(c[3], without_drawing(c[1], c[2]):count()) end
  end)
  it("name DenseNet's state as the checkpoints do", function()
    local m = without_drawing(models.densenet201)
    local state = m:named_state()
    assert.equal(1207, #state)
    assert.equal(604, #m:parameters())
    local at = {}
    for i, s in ipairs(state) do at[s.name] = i end
    assert.equal("features.conv0.weight", state[1].name)
    assert.equal("features.norm0.num_batches_tracked", state[6].name)
    assert.same({ 128, 1888, 1, 1 }, state[at["features.denseblock4.denselayer32.conv1.weight"]].tensor.shape)
    assert.same({ 896, 1792, 1, 1 }, state[at["features.transition3.conv.weight"]].tensor.shape)
    assert.same({ 1000, 1920 }, state[at["classifier.weight"]].tensor.shape)
    assert.equal("i64", state[at["features.norm5.num_batches_tracked"]].tensor.dtype)
  end)
  it("name ResNet's state as the checkpoints do", function()
    for make, want in pairs {
      [models.resnet18] = { 11689512, 11176512, 62, 122 },
      [models.resnet34] = { 21797672, 21284672, 110, 218 },
      [models.resnet50] = { 25557032, 23508032, 161, 320 },
      [models.resnet101] = { 44549160, 42500160, 314, 626 },
    } do
      local m = without_drawing(make)
      assert.same(want, { m:count(), m:count() - m.fc:count(), #m:parameters(), #m:named_state() })
      local state = m:state_dict()
      assert.same({ 64, 3, 7, 7 }, state["conv1.weight"].shape)
      assert.truthy(state["layer4.1.bn2.running_var"] and state["layer2.0.downsample.0.weight"])
      assert.truthy(state["layer3.0.downsample.1.num_batches_tracked"] and state["fc.bias"])
      assert.is_nil(state["layer2.1.downsample.0.weight"] or state["layer1.1.downsample.0.weight"])
    end
    local small, other = without_drawing(models.resnet18, { classes = 2 }), without_drawing(models.resnet18)
    assert.same({ "fc.weight is 1000x512, the model has 2x512: the classifier keeps its start" },
      small:load_state_dict(other:state_dict()).skipped)
  end)
  it("load a classifier's weights into an encoder without one", function()
    local encoder = models.ResNet { block = "basic", layers = { 1, 1, 1, 1 }, classes = false }
    local whole = models.ResNet { block = "basic", layers = { 1, 1, 1, 1 }, classes = 5 }
    encoder:load_state_dict(whole:state_dict())
    assert.is_nil(encoder.fc)
    assert.is_close(whole.layer4[1].conv2.weight, encoder.layer4[1].conv2.weight, 0)
  end)
  it("load older spellings, and leave out a classifier of another size", function()
    local small = { blocks = { 1, 1 }, growth = 4, initial = 8, classes = 3 }
    local m, old = models.DenseNet(small), {}
    small.classes = 10
    for name, t in pairs(models.DenseNet(small):state_dict()) do
      name = name:gsub("%.norm(%d)%.",
        function(n) return (n == "1" or n == "2") and ".norm." .. n .. "." or nil end)
      if not name:find("num_batches") then old[name:gsub("layer1%.conv(%d)", "layer1.conv.%1")] = t end
    end
    assert.truthy(old["features.denseblock1.denselayer1.norm.1.weight"])
    assert.truthy(old["features.denseblock1.denselayer1.conv.2.weight"])
    local report = m:load_state_dict(old)
    assert.same({ "classifier.weight is 10x10, the model has 3x10: the classifier keeps its start" },
      report.skipped)
    assert.is_close(old["features.denseblock2.denselayer1.conv.1.weight"],
      m.features.denseblock2.denselayer1.conv1.weight, 0)
  end)
  it("shrink with width, and refuse what cannot be", function()
    local e = models.ResSEEncoder { width = 0.25 }
    assert.same({ 16, 32, 64, 128, 256 }, e.widths)
    assert.same({ 1, 16 }, e.block1.se.fc1.weight.shape)
    assert.equal(1024 // 4 + 512 // 4,
      models.ResSEDecoder { width = 0.25, features = 1024 }.conv5.conv1.weight.shape[2])
    assert.error_matches(function() models.ResSEEncoder { widht = 1 } end,
      'ResSEEncoder: unknown option "widht"; did you mean "width"?')
    assert.error_matches(function() models.ResSEEncoder { shortcut = "none" } end,
      "it is one of: conv, identity")
    assert.error_matches(function() models.SRResNet { upscale = 3 } end, "SRResNet: upscale = 3; it is 1, 2")
    assert.error_matches(function() models.ResNet { block = "basic" } end, "ResNet: layers lists")
    assert.error_matches(function() models.ResNetUNet { depth = 20 } end, "it is 18, 34, 50 or 101")
    assert.error_matches(function() models.Recogniser { task = "clasify" } end, "one of: classify, segment")
    assert.error_matches(function() models.densenet121 { classes = 0 } end, "DenseNet: classes = 0")
  end)
end)
