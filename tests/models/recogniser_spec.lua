local rl = require "rille"
local models = rl.models

local function small(task) -- a recogniser around one convolution, so that numbers can be followed
  local net = rl.nn.Sequential(rl.nn.Conv2d(3, 2, 1), rl.nn.BatchNorm2d(2))
  return models.Recogniser { task = task, net = net }, net
end

describe("Recogniser", function()
  it("normalises by ImageNet's mean and deviation; a grey channel stands for three", function()
    local m = small "segment"
    m.net = rl.nn.Identity()
    local x = rl.tensor({ 0.485, 0.456 + 0.224, 0.406 - 0.225 }, { dtype = "f64" }):reshape { 1, 3, 1, 1 }
    assert.is_close({ 0, 1, -1 }, m(x):reshape { 3 }, 1e-12)
    local grey = rl.full({ 1, 1, 1, 1 }, 0.5, { dtype = "f64" })
    assert.is_close({ 0.015 / 0.229, 0.044 / 0.224, 0.094 / 0.225 }, m(grey):reshape { 3 }, 1e-12)
  end)
  it("is charged for labelled images only", function()
    local m, x = small "segment", rl.tensor({ 2, -1, 0.5, 3 }, { dtype = "f64" }):reshape { 2, 1, 1, 2 }
    local batch = { mask = rl.tensor({ 1, 0, 0, 0 }):reshape { 2, 1, 1, 2 },
      has_mask = rl.tensor({ true, false }, { dtype = "bool" }) }
    local want = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert.is_close(want, m:loss(x, batch):item(), 1e-12)
    batch.has_mask = rl.tensor({ false, false }, { dtype = "bool" })
    x.requires_grad = true
    local none = m:loss(x, batch)
    assert.equal(0, none:item())
    assert.is_close(rl.zeros { 2, 1, 1, 2 }, rl.grad(none, x), 0)
    local logits = rl.tensor({ { 1, 2 }, { 0, 0 } }, { dtype = "f64" })
    local label = rl.tensor({ 2, 0 }, { dtype = "i64" })
    local one = small "classify":loss(logits, { label = label })
    assert.is_close(math.log(1 + math.exp(-1)), one:item(), 1e-12)
  end)
  it("gives targets without gradient, by running statistics that stay", function()
    local m, net = small "segment"
    m:train()
    local x, before = rl.rand { 4, 3, 5, 5 }, net[2].running_mean:clone()
    local target = m:target(x)
    assert.is_false(target.requires_grad)
    assert.is_true(net[2].training and m.training)
    assert.is_close(before, net[2].running_mean, 0)
    m:eval()
    assert.is_close(m(x), target, 0)
    assert.error_matches(function() m:train():target(rl.rand { 1, 2, 3, 3 }) end, "2x3x3")
    assert.is_true(net[2].training)
  end)
  it("explains what it names or draws: maps as rl.cam makes them, slopes around 0.5", function()
    local x, cam = rl.rand({ 2, 3, 64, 64 }), rl.cam
    local m = models.Recogniser { task = "classify", width = 4, classes = 3 }:eval()
    local of, e = m(x):argmax(-1), m:explain(x)
    local last = m:taps(x)[5]
    assert.is_close(cam.picture(cam.cam(last, m.net.fc.weight, of), x), e.cam, 0)
    assert.is_close(m:looks(x), e.grad_cam, 0)
    local slope = cam.guided(m, x, of)
    for n = 1, 2 do
      assert.is_close(slope[n] / (2 * slope[n]:abs():max()) + 0.5, e.guided[n], 1e-5)
    end
    local drawn = models.Recogniser { task = "segment", width = 4 }:eval():explain(x)
    assert.is_nil(drawn.cam)
    assert.same({ 2, 1, 64, 64 }, drawn.grad_cam.shape)
    assert.is_true(drawn.guided:min():item() >= 0 and drawn.guided:max():item() <= 1)
  end)
  it("tells how undecided it is", function()
    local logits = rl.tensor({ { 0, 0 }, { 60, 0 } }, { dtype = "f64" })
    assert.is_close(math.log(2) / 2, small "classify":entropy(logits):item(), 1e-12)
    local p = 1 / (1 + math.exp(-1))
    assert.is_close(-p * math.log(p) - (1 - p) * math.log(1 - p),
      small "segment":entropy(rl.full({ 1, 1, 2, 2 }, 1, { dtype = "f64" })):item(), 1e-12)
  end)
end)
