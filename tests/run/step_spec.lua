local build = require "rille.run.build"
local Recipe = require "rille.run.recipe"
local rl = require "rille"
local step = require "rille.run.step"
local nn = rl.nn

-- A run of one stage around a small convolution net, and a batch for it.
local function small_run()
  local R = { options = {},
    models = function()
      return { net = nn.Sequential(nn.Conv2d(2, 8, 3, { padding = 1 }), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(-3, -1), nn.Linear(8, 3)) }
    end,
    forward = function(m, batch) return { y = m.net(batch.x) } end,
    losses = { ce = function(y, batch) return rl.cross_entropy(y.y, batch.label) end },
    stages = { { "only", "*", { ce = 1 }, "none", { "SGD", lr = 1e-2, momentum = 0.9 }, { steps = 1 } } } }
  local recipe = Recipe.resolve({ table = R, file = "step_spec", text = "" }, {})
  local run = { recipe = recipe, options = recipe.options, stages = recipe.stages,
    models = build.models(recipe, recipe.options, 1), position = { run_step = 0 },
    state = { step = 0, options = recipe.options }, gate_state = {} }
  build.enter(run, recipe.stages[1])
  local label = rl.tensor({ 1, 2, 3, 1 }, { dtype = "i64" })
  return run, { x = rl.randn { 4, 2, 48, 48 }, label = label, file = {} }
end

local function steps(run, batch, n)
  for _ = 1, n do
    step.train(run, batch)
    run.state.step = run.state.step + 1
  end
  collectgarbage()
  return rl.memory()
end

describe("a training step", function()
  it("takes no memory from the system once it is warm, and keeps none of its own", function()
    local run, batch = small_run()
    local before = steps(run, batch, 30)
    local after = steps(run, batch, 30)
    assert.equal(before.live, after.live)
    assert.truthy(after.peak <= 1.25 * before.peak) -- the collector's moments differ
    local faults = after.page_faults - before.page_faults
    if after.cached > 0 then -- a sanitized build keeps nothing for reuse
      assert.truthy(faults <= 60, faults .. " page faults in 30 steps") -- a step's own memory has 300 pages
    end
  end)
  it("gives the gradient's norm, shortens it to clip, and moves nothing where it is not finite", function()
    local run, batch = small_run()
    local norm = step.train(run, batch).norm
    assert.truthy(norm > 0)
    run.stage.clip = 1e-9
    local w = run.params[1]:detach():clone()
    local result = step.train(run, batch)
    assert.is_close(w, run.params[1], 1e-2)
    assert.truthy(result.norm > 1e-9)
    batch.x = batch.x * (0 / 0)
    assert.error_matches(function() step.train(run, batch) end, 'loss "ce" is')
  end)
end)
