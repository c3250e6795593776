local build = require "rille.run.build"
local parts = require "rille.run.parts"
local Recipe = require "rille.run.recipe"
local rl = require "rille"
local step = require "rille.run.step"
local nn = rl.nn

-- A run of one stage around a small convolution net, and a batch for it.
local function small_run(norm)
  local R = { options = {},
    models = function()
      norm = norm or nn.BatchNorm2d
      return { net = nn.Sequential(nn.Conv2d(2, 8, 3, { padding = 1 }), norm(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(-3, -1), nn.Linear(8, 3)) }
    end,
    forward = function(m, batch) return { y = m.net(batch.x) } end,
    losses = { ce = function(y, batch) return rl.cross_entropy(y.y, batch.label) end },
    stages = { { "only", "*", { ce = 1 }, "none", { "SGD", lr = 1e-2, momentum = 0.9 }, { steps = 1 } } } }
  local recipe = Recipe.resolve({ table = R, file = "step_spec", text = "" }, {})
  local run = { recipe = recipe, options = recipe.options, stages = recipe.stages,
    models = build.models(recipe, recipe.options, 1), position = { run_step = 0 },
    state = { step = 0, options = recipe.options } }
  parts.enter(run, recipe.stages[1])
  local label = rl.tensor({ 1, 2, 3, 1 }, { dtype = "i64" })
  return run, { x = rl.randn { 4, 2, 48, 48 }, label = label, file = {} }
end

local function steps(run, batch, n)
  for _ = 1, n do
    step.train(run, { batch })
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
    local norm = step.train(run, { batch }).norm
    assert.truthy(norm > 0)
    run.stage.clip = 1e-9
    local w = run.params[1]:detach():clone()
    local result = step.train(run, { batch })
    assert.is_close(w, run.params[1], 1e-2)
    assert.truthy(result.norm > 1e-9)
    batch.x = batch.x * (0 / 0)
    assert.error_matches(function() step.train(run, { batch }) end, 'loss "ce" is')
  end)
  it("lets gradients go behind an optimiser that keeps none", function()
    for _, keeps_nothing in ipairs { true, false } do
      local run, batch = small_run()
      local optimiser, seen = run.optimiser
      run.optimiser = setmetatable({ keeps_nothing = keeps_nothing, step = function(_, grads, clip)
        seen = grads
        return optimiser:step(grads, clip)
      end }, { __index = optimiser })
      step.train(run, { batch })
      assert.equal(not keeps_nothing, pcall(seen[#seen].numel, seen[#seen]))
    end
  end)
  it("averages gradients over several batches, by their images, as one large batch has them", function()
    local a, batch = small_run(nn.ReLU) -- a batch norm would see each batch by itself
    local b = small_run(nn.ReLU)
    local function part(i, j)
      local x = batch.x[{ { i, j } }]
      return { x = x, image = x, label = batch.label[{ { i, j } }], file = {} }
    end
    local one = step.train(a, { batch })
    local two = step.train(b, { part(1, 3), part(4, 4) })
    assert.is_close({ one.total, one.values.ce, one.norm }, { two.total, two.values.ce, two.norm }, 1e-5)
    for k, p in ipairs(a.params) do assert.is_close(p, b.params[k], 1e-6) end
  end)
end)
