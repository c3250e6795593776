-- Whole runs of the recipe gradprom in miniature: stopped and resumed, scored, and shown side by side.
local beside = require "rille.report.beside"
local files = require "support.files"
local json = require "rille.util.json"
local rl = require "rille"
local runs = require "support.runs"

local RECIPE = runs.RECIPE:gsub("tests/support/recipes/tiny", "recipes/gradprom")
local SHORT = { "ends.recognise.steps=1", "ends.warm_up.steps=2", "ends.together.steps=2" }

local function new(name, strategy)
  return runs.new(name, { recipe = RECIPE, set = { "strategy=" .. strategy, table.unpack(SHORT) } })
end

describe("a run of gradprom", function()
  local whole
  setup(function()
    runs.train(new("whole", "hard"))
    whole = runs.weights "whole"
  end)
  teardown(runs.clean)

  it("ends with the same bytes after a stop in the warm-up or with the recogniser", function()
    for _, stop in ipairs { 2, 4 } do
      local name = "stop" .. stop
      assert.is_false((runs.train_until(new(name, "hard"), stop)))
      assert.is_true((runs.train(runs.resume(name))))
      assert.are.equal(whole, runs.weights(name))
    end
  end)
  it("logs the cosine and the recogniser's entropy where it has a say", function()
    local seen = 0
    for line in files.read(runs.root() .. "/whole/log.jsonl"):gmatch "[^\n]+" do
      local e = json.decode(line)
      if e.kind == "step" and e.stage == "together" then
        seen = seen + 1
        assert.is_true(e.telemetry.entropy_segment > 0 and e.telemetry.entropy_segment <= math.log(2))
        assert.is_true(e.gate.cos >= -1 and e.gate.cos <= 1 and e.gate.ratio > 0)
      elseif e.kind == "step" and e.stage == "warm_up" then
        assert.is_nil(next(e.telemetry or {}))
      end
    end
    assert.equal(2, seen)
  end)
  it("is scored, and shown beside another", function()
    local line = ("run %q --preset tiny --data %q --out scored --quiet --set strategy=none --set %s"):format(
      RECIPE, runs.data(), table.concat(SHORT, " --set "))
    local code, text = runs.program(line)
    assert.equal(0, code, text)
    local m = json.decode(files.read(runs.root() .. "/scored/metrics.json")).metrics
    for _, key in ipairs { "psnr", "ssim", "psnr_inside", "ssim_outside", "mean_iou", "dice" } do
      assert.is_true(m[key] and m[key].mean == m[key].mean, key)
    end
    local restored = files.read(runs.root() .. "/scored/pictures/index.json")
    for _, label in ipairs { "given", "restored", "segment: Grad-CAM", "segment: guided backpropagation" } do
      assert.truthy(restored:find(('"%s"'):format(label), 1, true), label)
    end
    local png = runs.root() .. "/beside.png"
    local columns = beside.write({ runs.root() .. "/scored", runs.root() .. "/whole" }, png, 2)
    assert.equal("degraded", columns[1])
    assert.equal("clean", columns[4])
    -- four columns and two images, each above where the recogniser looks, two white pixels between
    assert.same({ 3, 4 * 32 + 3 * 2, 4 * 32 + 3 * 2 }, rl.io.read_image(png).shape)
  end)
end)
