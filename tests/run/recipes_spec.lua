-- The recipes in miniature: every method of the joint training does a step of every stage.
local rl = require "rille"
local recipe = require "rille.run.recipe"
local step = require "rille.run.step"
local trial = require "rille.run.trial"

local function every_stage(name, dir, set)
  local r = recipe.load(name, { preset = "tiny", set = set })
  local run = trial.open(r, { data = dir, seed = 1, quiet = true })
  for k in ipairs(run.stages) do
    local result = trial.step(run, trial.enter(run, k))
    assert.is_true(result.total == result.total and result.norm > 0, run.stages[k].name)
  end
  return run
end

describe("recipes of the cooperative family", function()
  local dir = os.tmpname()
  os.remove(dir)
  setup(function() rl.data.phantom(dir, { train = 8, val = 4, test = 4, size = 64, seed = 5 }) end)
  teardown(function() os.execute(("rm -r %q"):format(dir)) end)
  for _, net in ipairs { "mt_unet", "unet_class", "unet_map", "densenet", "res_se" } do
    it("trains the baseline " .. net, function()
      every_stage("cooperative_baselines", dir, { "net=" .. net })
    end)
  end
  for _, part in ipairs { "nothing", "embed", "F4", "se", "shortcut", "gaze" } do
    it("trains without " .. part, function()
      local run = every_stage("cooperative_ablation", dir, { "without=" .. part })
      assert.are.equal(part == "embed" and 3 or 4, #run.stages)
    end)
  end
  it("trains as released: distances along the width, statistics of frozen parts moving", function()
    local run = every_stage("cooperative_released", dir)
    assert.is_true(run.models.densenet.features.norm0.training)
    assert.is_false(run.models.densenet.features.norm0.weight.requires_grad)
    run = every_stage("cooperative", dir)
    assert.is_false(run.models.densenet.features.norm0.training)
  end)
  it("learns a map per third of the viewing time, and is scored on their mean", function()
    local run = every_stage("cooperative_scanpath", dir)
    local batch = run.feed:fixed("train", 4)()
    assert.are.same({ 4, 3, 64, 64 }, batch.thirds.shape)
    assert.is_close(batch.thirds:mean { dim = { 2 }, keepdim = true }, batch.saliency, 1e-6)
    local y = step.outputs(run, batch)
    local densities = rl.softmax(y.thirds:reshape { 4, 3, -1 }, -1)
    assert.is_close(densities:mean { dim = { 2 } }, rl.metrics.density(y.map):reshape { 4, -1 }, 1e-6)
    local kl = 0
    for k = 1, 3 do
      kl = kl + rl.saliency_kl(y.thirds:narrow(2, k, 1), batch.thirds:narrow(2, k, 1)):item() / 3
    end
    assert.is_close(kl, run.recipe.table.losses.kl(y, batch):item(), 1e-5)
  end)
  it("says which words an option takes", function()
    for name, set in pairs { cooperative_baselines = "net=unet", cooperative_ablation = "without=sse" } do
      assert.error_matches(function() every_stage(name, dir, { set }) end, " is one of ")
    end
  end)
end)

describe("the joint recipe", function()
  local dir = os.tmpname()
  os.remove(dir)
  setup(function() rl.data.phantom(dir, { train = 8, val = 4, test = 4, size = 64, seed = 5 }) end)
  teardown(function() os.execute(("rm -r %q"):format(dir)) end)
  for _, method in ipairs { "uncertainty", "equal", "gradprom" } do
    it("trains with method " .. method, function()
      local r = recipe.load("cooperative_joint", { preset = "tiny", set = { "method=" .. method } })
      local run = trial.open(r, { data = dir, seed = 1, quiet = true })
      local result = trial.step(run, trial.enter(run, 1))
      assert.is_true(result.total == result.total and result.norm > 0)
      assert.are.equal(method ~= "uncertainty", result.record ~= nil and result.record.cos ~= nil)
    end)
  end
end)
