-- The laboratory in miniature: one step of every rule, saved and gone on from, and of every way to share the
-- body.
local checkpoint = require "rille.run.checkpoint"
local core = require "rille.core"
local files = require "support.files"
local gates = require "support.gates"
local parts = require "rille.run.parts"
local recipe = require "rille.run.recipe"
local rl = require "rille"
local saved = require "rille.gating.saved"
local step = require "rille.run.step"
local trial = require "rille.run.trial"

describe("gating_lab", function()
  local dir = os.tmpname()
  os.remove(dir)
  setup(function() rl.data.phantom(dir, { train = 8, val = 4, test = 4, size = 32, seed = 5 }) end)
  teardown(function() os.execute(("rm -r %q"):format(dir)) end)

  local function open(set)
    local r = recipe.load("gating_lab", { preset = "tiny", set = set })
    local run = trial.open(r, { data = dir, seed = 1, quiet = true })
    return run, trial.enter(run, 1)
  end
  local function one_step(set)
    local run, batch = open(set)
    return run, trial.step(run, batch), batch
  end
  local function weights_after_a_step(run, batch)
    trial.step(run, batch)
    assert(checkpoint.save_weights(dir .. "/weights.safetensors", run.models))
    return files.read(dir .. "/weights.safetensors")
  end
  local function save(run)
    local tensors, optimisers = checkpoint.gather(run, true)
    checkpoint.save({ dir = dir, failures = 0, number = 0 }, tensors, { run_step = 1, state = { step = 1 },
      gate_states = run.gate_states, optimisers = optimisers, random = core.random_state() }, error)
  end
  local function load(run)
    local tensors, state = checkpoint.load(dir, error)
    local model, optim, _, gate = checkpoint.split(tensors)
    checkpoint.put_weights(run.models, model)
    checkpoint.put_optimisers(run, optim, state.optimisers)
    run.gate_states, run.state.step = saved.join(state.gate_states, gate), state.state.step
    parts.take(run, 1)
    core.random_state(state.random)
  end

  for _, name in ipairs(gates.names()) do
    it("takes a step, is saved and goes on with " .. name, function()
      local run, result, batch = one_step { "method=" .. name }
      assert.truthy(result.norm > 0 and result.norm < math.huge)
      assert.truthy(result.record.weight_ce or result.record["layer.body.body.0.0.0.cos_ce_kl"])
      save(run)
      local want, other = weights_after_a_step(run, batch), open { "method=" .. name }
      load(other)
      assert.is_true(want == weights_after_a_step(other, batch))
      assert.same(saved.split(run.gate_state), (saved.split(other.gate_state)))
    end)
  end
  for _, sharing in ipairs { "stitch", "mmoe", "mtan" } do
    it("shares by " .. sharing, function()
      local _, result = one_step { "sharing=" .. sharing, "method=pcgrad", "tasks=ce mse" }
      assert.truthy(result.record.cos)
    end)
  end
  it("works on the shared features, and without gradients per loss", function()
    for _, method in ipairs { "mgda:at=shared", "graddrop:at=shared", "nash_mtl:gram=true" } do
      assert.truthy(select(2, one_step { "method=" .. method }).norm > 0)
    end
  end)
  it("undoes what a step that raised did to the gate's state", function()
    local run, _, batch = one_step { "method=famo" }
    parts.take(run, 1)
    local before = saved.copy(run.gate_state)
    local loss = run.recipe.table.losses.ce
    run.recipe.table.losses.ce = function(...) return loss(...) * (0 / 0) end
    assert.error_matches(function() step.train(run, { batch }) end, 'loss "ce" is')
    assert.same(before, run.gate_state)
  end)
end)
