-- Every workload of rille bench takes a step, at a small size; weights are not drawn, so that it is quick.
local rl = require "rille"
local steps = require "rille.cli.bench.steps"
local workloads = require "rille.cli.bench.workloads"

describe("workloads of rille bench", function()
  it("are the published networks, and take steps of the runner's kind", function()
    local counts = { -- of parameters, sums of systems' parts
      densenet201_train = 20013928, densenet201_infer = 20013928, resnet18_train = 11689512,
      gradprom = 438666 + 23508032 + 2048 * 7 + 7, saliency_train = 48417217 + 18098691,
      kltv = 10027528 + 2790755, mlvicx = 11176512 + 352746 + 526848 + 791040 + 4723200,
      mlp = 2 * (32 * 32 + 32) + 32 * 4 + 4, conv3x3 = 64 * 64 * 9 + 64, add = 0,
    }
    for name, count in pairs(counts) do
      local o = { batch = 2, size = 32 }
      local w = rl.nn.init.skip(function() return steps.prepare(workloads[name](o)) end)
      local n = 0
      for _, m in pairs(w.models or {}) do n = n + m:count() end
      assert.equal(count, n, name)
      local loss = steps.loss(w.step())
      assert.is_true(name == "add" or loss == loss and math.abs(loss) < 1e6, name)
    end
  end)
  it("have the sizes of the table where none is given", function()
    local function shape(name) return workloads[name] {}.batch end
    assert.same({ 2, 1, 320, 256 }, shape("saliency_train").image.shape)
    assert.is_close({ 1, 1 }, shape("saliency_train").saliency:sum { dim = { -3, -2, -1 } }, 1e-5)
    assert.same({ 4, 3, 128, 128 }, shape("gradprom").clean.shape)
    assert.same({ 8, 1, 128, 128 }, shape("kltv").more.shape)
    assert.same({ 8, 3, 224, 224 }, shape("mlvicx").view2.shape)
    assert.same({ 8, 64, 96, 96 }, shape("conv3x3").x.shape)
    assert.same({ 8, 32 }, shape("mlp").x.shape)
    assert.same({ 16 }, shape("add").a.shape)
    assert.same({ 1, 3, 224, 224 }, shape("densenet201_infer").image.shape)
  end)
  it("mlp learns", function()
    rl.manual_seed(1)
    local w = steps.prepare(workloads.mlp {})
    local first, last = w.step(), nil
    for _ = 1, 200 do last = w.step() end
    assert.is_true(last < 0.8 * first)
  end)
end)
