-- A recipe's network begins with a file's weights, or says what is wrong with the file.
local rl = require "rille"
local pretrained = rl.models.pretrained

local function small(classes, growth)
  return rl.models.DenseNet { blocks = { 1, 1 }, growth = growth or 4, initial = 8, classes = classes }
end

describe("models.pretrained", function()
  local file = os.tmpname() .. ".safetensors"
  local source = small(10)
  setup(function() assert(rl.io.save(file, source:state_dict())) end)
  teardown(function() os.remove(file) end)

  it("takes all but a last layer of another size", function()
    local model = small(3)
    local own = model.classifier.weight:clone()
    assert.equal(model, pretrained(model, file))
    local state = source:state_dict()
    for name, t in pairs(model.features:state_dict()) do assert.is_close(state["features." .. name], t, 0) end
    assert.is_close(own, model.classifier.weight, 0)
  end)

  it("leaves the network alone without a file", function()
    local model = small(3)
    local before = model.features.conv0.weight:clone()
    pretrained(model, "random")
    assert.is_close(before, model.features.conv0.weight, 0)
  end)

  it("names a missing file and its cure", function()
    local function load() pretrained(small(3), "/nowhere/d.safetensors") end
    assert.error_matches(load, "/nowhere/d.safetensors")
    assert.error_matches(load, "examples/imagenet.py")
  end)

  it("refuses another network's file", function()
    assert.error_matches(function() pretrained(small(3, 8), file) end, "does not fit DenseNet: ")
  end)
end)
