-- The laboratory in miniature: one step of every rule, and of every way to share the body.
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

  local function one_step(set)
    local r = recipe.load("gating_lab", { preset = "tiny", set = set })
    local run = trial.open(r, { data = dir, seed = 1, quiet = true })
    local batch = trial.enter(run, 1)
    return run, trial.step(run, batch), batch
  end

  for _, name in ipairs(gates.names()) do
    it("takes a step with " .. name, function()
      local _, result = one_step { "method=" .. name }
      assert.truthy(result.norm > 0 and result.norm < math.huge)
      assert.truthy(result.record.weight_ce or result.record["layer.body.body.0.0.0.cos_ce_kl"])
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
