-- The recipe gradprom: ten f64 steps of its strategies follow a PyTorch twin (tests/twin/gradprom.py says how
-- to make its losses again), and every word of its options trains.
local json = require "rille.util.json"
local outputs = require "rille.run.outputs"
local recipe = require "rille.run.recipe"
local rl = require "rille"
local trial = require "rille.run.trial"
local root = _G.RILLE_ROOT
local twin = dofile(root .. "/tests/twin/gradprom.lua")

local function golden()
  local f <close> = assert(io.open(root .. "/tests/golden/gradprom.json"))
  return json.decode(f:read "a").f64
end

local function open(dir, name, set)
  local r = recipe.load(name, { preset = "tiny", set = set })
  return trial.open(r, { data = dir, seed = 1, quiet = true })
end

describe("gradprom", function()
  local dir = os.tmpname()
  local want = golden()

  setup(function()
    os.remove(dir)
    rl.data.phantom(dir, twin.data)
  end)
  teardown(function() os.execute(("rm -r %q"):format(dir)) end)

  for _, case in ipairs(twin.cases) do
    it("follows its twin: " .. case[1], function()
      local got = twin.losses(case, dir)
      for stage, losses in pairs(want[case[1]]) do
        -- rounding differs in order only; norms over four values and Adam make it grow, up to 1e-8
        assert.is_close(losses, got[stage], 1e-7)
      end
    end)
  end
  it("moves the enhancer apart as if there were no recogniser, which learns all the same", function()
    local function after_three(strategy)
      local run = open(dir, "gradprom", { "strategy=" .. strategy })
      for _, m in pairs(run.models) do m:to "f64" end
      local batch = trial.enter(run, 3)
      batch.image, batch.mask = batch.image:to "f64", batch.mask:to "f64"
      local before, record = run.models.segment:state_dict()["net.encoder.conv1.weight"]:clone(), nil
      for _ = 1, 3 do record = trial.step(run, batch).record end
      local moved = run.models.segment:state_dict()["net.encoder.conv1.weight"] - before
      return run.models.enhancer:state_dict(), moved:abs():max():item(), record
    end
    local alone, nothing = after_three "none"
    local apart, moved, record = after_three "apart"
    for path, t in pairs(alone) do assert.is_close(t, apart[path], 1e-9) end
    assert.equal(0, nothing)
    assert.is_true(moved > 1e-5)
    assert.equal(0, record.open)
  end)
  for _, set in ipairs { "degradation=hard", "degradation=quarter", "enhancer=unet", "fidelity=l1",
    "strategy=benchmark_clean" } do
    it("trains with " .. set, function()
      local run = open(dir, "gradprom", { set })
      local k = #run.stages
      local batch = trial.enter(run, k)
      local result = trial.step(run, batch)
      assert.is_true(result.total == result.total and result.norm > 0)
    end)
  end
  it("scores a recogniser alone by bad images, whatever it was trained on", function()
    for _, kind in ipairs { "clean", "degraded" } do
      local run = open(dir, "gradprom", { "strategy=benchmark_" .. kind })
      assert.same({ ["segment_" .. kind] = 1 }, run.stages[1].losses)
      assert.same({ segment = "segment_degraded" }, run.recipe.table.report)
    end
  end)
  it("shows every strategy the same noise, fresh in each epoch and fixed in a test", function()
    local function degraded(strategy, epoch)
      local run = open(dir, "gradprom", { "strategy=" .. strategy })
      local at = { batch = 4, stage = 3, epoch = epoch, cursor = 0, augment = true }
      local batch = epoch and run.feed:batches("train", at)() or run.feed:fixed("test", 4)()
      return run.recipe.table.forward(run.models, batch, run.options).degraded()
    end
    assert.is_close(degraded("none", 1), degraded("joint", 1), 0)
    assert.is_true((degraded("none", 1) - degraded("none", 2)):abs():max():item() > 0.1)
    assert.is_close(degraded "none", degraded "hard", 0)
  end)
  it("goes on from a warm-up's weights, with the last stage alone", function()
    local run, file = open(dir, "gradprom"), os.tmpname()
    local state = rl.nn.ModuleDict(run.models):state_dict()
    state["enhancer.block1.0.bias"] = rl.full(state["enhancer.block1.0.bias"].shape, 3)
    assert(rl.io.save(file .. ".safetensors", state))
    local other = open(dir, "gradprom", { "strategy=soft", "start=" .. file .. ".safetensors" })
    assert.equal("together", other.stages[1].name)
    assert.equal(3, other.models.enhancer.block1[1].bias:max():item())
    os.remove(file)
    os.remove(file .. ".safetensors")
  end)
  it("is tried on hard degradations, and on images of another kind in the test alone", function()
    assert.equal("hard", open(dir, "gradprom_hard").options.degradation)
    local run = open(dir, "gradprom_shift", { "strategy=warm_up" })
    local function output(batch, name)
      return outputs.wrap(run.recipe.table.forward(run.models, batch, run.options))[name]
    end
    local test, val = run.feed:fixed("test", 4)(), run.feed:fixed("val", 4)()
    assert.is_close(1 - test.image, output(test, "clean"), 0)
    assert.is_close(val.image, output(val, "clean"), 0)
    assert.is_true((output(test, "shown") - output(test, "clean")):abs():mean():item() < 0.3)
    assert.same({ "restored", from = "shown", truth = "clean" }, run.recipe.table.report.restore)
  end)
  it("says which words its options take", function()
    for _, set in ipairs { "strategy=hrd", "task=clasify", "degradation=blur", "enhancer=net",
      "fidelity=l2" } do
      assert.error_matches(function()
        local run = open(dir, "gradprom", { set })
        trial.step(run, trial.enter(run, #run.stages))
      end, "it is one of ")
    end
  end)
end)
