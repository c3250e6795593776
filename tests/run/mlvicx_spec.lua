-- MLVICX's recipes in miniature: a step of every method and ablation, the log, resumed runs, the probe.
local files = require "support.files"
local json = require "rille.util.json"
local recipe = require "rille.run.recipe"
local rl = require "rille"
local runs = require "support.runs"
local trial = require "rille.run.trial"

local ROOT = runs.RECIPE:match "^(.*)/tests/"

local function step_of(name, set)
  local r = recipe.load(name, { preset = "tiny", set = set })
  local run = trial.open(r, { data = runs.data(), seed = 1, quiet = true })
  local result = trial.step(run, trial.enter(run, 1))
  assert.is_true(result.total == result.total and result.norm > 0)
  return run, result
end

local function new(name, file, set)
  return runs.new(name, { recipe = ROOT .. "/recipes/" .. file .. ".lua", set = set })
end

describe("recipes of MLVICX", function()
  teardown(runs.clean)
  it("log every term of both embeddings, their deviation and rank", function()
    local _, result = step_of "mlvicx_pretrain"
    local t = result.telemetry
    for _, place in ipairs { "global", "multi" } do
      local sum = 25 * t[place .. ".inv"] + 25 * t[place .. ".var"] + t[place .. ".cov"]
      assert.is_close(result.values[place], sum, 1e-3)
      assert.is_true(t[place .. ".rank"] >= 1 and t[place .. ".rank"] <= 5) -- six images
      assert.is_true(t[place .. ".deviation"] > 0)
    end
  end)
  it("train every method, BYOL's target following", function()
    for _, method in ipairs { "vicreg", "simsiam", "byol" } do
      local run, result = step_of("mlvicx_baselines", { "method=" .. method })
      assert.truthy(result.telemetry["global.rank"])
      if method == "byol" then
        local m = run.models
        assert.is_false(m.target.conv1.weight.requires_grad)
        local before = m.target.conv1.weight:detach():clone()
        rl.no_grad(function()
          for _, p in ipairs(m.encoder:named_parameters()) do p.tensor:fill_(0) end
        end)
        run.recipe.table.after(m, { step = 0, steps_per_epoch = 1e9 }, run.options)
        assert.is_close(before * 0.99, m.target.conv1.weight:detach(), 1e-6)
        assert.is_true(m.target.bn1.training)
      end
    end
    assert.error_matches(function() step_of("mlvicx_baselines", { "method=byoll" }) end, "method is one of")
  end)
  it("train every ablation", function()
    for part, models in pairs { nothing = 5, context = 5, levels = 3, spatial = 5, channel = 5, var = 5,
      cov = 5, level1 = 5, view = 5, colour = 5, turned20 = 5, merge = 5 } do
      local run = step_of("mlvicx_ablation", { "without=" .. part })
      local n = 0
      for _ in pairs(run.models) do n = n + 1 end
      assert.equal(models, n, part)
    end
    local wrong = { "without=colours" }
    assert.error_matches(function() step_of("mlvicx_ablation", wrong) end, "without is one of")
  end)
  it("resume bit for bit, views and all; the probe reads the run's encoder", function()
    local set = { "epochs=2", "batch=4" }
    assert.is_true(runs.train(new("whole", "mlvicx_pretrain", set)))
    assert.is_false((runs.train_until(new("cut", "mlvicx_pretrain", set), 4)))
    assert.is_true(runs.train(runs.resume "cut"))
    assert.is_true(runs.weights "whole" == runs.weights "cut")
    local code, said = runs.program "run --replay whole --out again --quiet"
    assert.equal(0, code, said)
    local once = rl.io.load(runs.root() .. "/whole/weights.safetensors")
    for name, t in pairs(rl.io.load(runs.root() .. "/again/weights.safetensors")) do
      assert.is_true(once[name]:equal(t), name)
    end
    local line = files.read(runs.root() .. "/whole/log.jsonl"):match '\n({"[^\n]*telemetry[^\n]*})'
    assert.truthy(json.decode(line).telemetry["multi.cov"])
    local weights = runs.root() .. "/whole/weights.safetensors"
    for _, mode in ipairs { "probe", "finetune" } do
      local probe = new(mode, "mlvicx_probe",
        { "mode=" .. mode, "weights=" .. weights, "epochs=1", "share=0.5" })
      local kept = rl.io.load(weights)["encoder.layer1.0.conv1.weight"]
      assert.is_true(kept:equal(probe.models.encoder.layer1[1].conv1.weight:detach()))
      assert.is_true(runs.train(probe))
      local now = probe.models.encoder.layer1[1].conv1.weight:detach()
      assert.equal(mode == "probe", kept:equal(now))
      assert.equal(6, probe.feed.counts.train)
    end
  end)
  it("probe an encoder whose norms have settled on the images without bottlenecks", function()
    local still, settled = new("still", "mlvicx_probe", { "epochs=1" }),
      new("settled", "mlvicx_probe", { "epochs=1", "settle=1" })
    assert.is_true(runs.train(still) and runs.train(settled))
    local a, b = still.models.encoder, settled.models.encoder
    assert.is_true(a.conv1.weight:detach():equal(b.conv1.weight:detach()))
    assert.is_true(a.bn1.running_mean:abs():sum():item() == 0)
    assert.is_true(b.bn1.running_mean:abs():sum():item() > 0)
  end)
  it("transfer the encoder to masks", function()
    local run, result = step_of("mlvicx_probe", { "mode=segment", "batch=2" })
    assert.is_true(result.values.dice_ce > 0 and result.values.dice_ce < 3)
    assert.same({ "Adam", 1e-4 }, { run.stage.optimiser[1], result.lr })
  end)
  it("probe several labels per image, and tell what counts in the means", function()
    local dir, rows = runs.root() .. "/findings", { "file,split,group,findings" }
    assert(os.execute(("mkdir -p %q"):format(dir)))
    for k = 1, 24 do
      rl.io.write_png(("%s/%d.png"):format(dir, k), rl.rand { 1, 32, 32 })
      rows[#rows + 1] = ("%d.png,%s,p%d,%s"):format(k, k <= 12 and "train" or k <= 18 and "val" or "test", k,
        k % 6 == 0 and "Mass|Effusion" or k % 2 == 0 and "Effusion" or "No Finding")
    end
    files.write(dir .. "/manifest.csv", table.concat(rows, "\n") .. "\n")
    local code, text = runs.program(("run %s/recipes/mlvicx_probe.lua --preset tiny --data findings "):format(
      ROOT) .. "--set labels=findings --set least=2 --set epochs=1 --out several")
    assert.equal(0, code, text)
    local m = json.decode(files.read(runs.root() .. "/several/metrics.json"))
    assert.same({ "Mass" }, m.left_out)
    assert.equal("Effusion", m.findings[1].name)
    assert.equal(3, m.findings[1].positives)
    assert.equal(1, m.groups.large.n)
    assert.is_close((m.findings[1].auc + m.findings[3].auc) / 2, m.metrics.auc_findings, 1e-12)
    code, text = runs.program "predict several findings --out said"
    assert.equal(0, code, text)
    local first = files.read(runs.root() .. "/said/predictions.csv"):match "[^\n]*"
    assert.equal("file,p_Effusion,p_Mass,p_No Finding", first)
    local page = files.read(runs.root() .. "/several/report.html")
    assert.truthy(page:find("in no mean: Mass", 1, true) and page:find("mean of large (1)", 1, true))
  end)
end)
