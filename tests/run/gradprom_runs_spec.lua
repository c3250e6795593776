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
  it("restores whole pictures of any size, a square of them enlarged", function()
    local dir = runs.root() .. "/own"
    assert(os.execute(("mkdir -p %q"):format(dir)))
    local picture = rl.rand { 3, 37, 50 }
    assert(rl.io.write_png(dir .. "/one.png", picture))
    local code, text = runs.program "predict whole own --whole --zoom 11,5,25 --out out"
    assert.are.equal(0, code, text)
    local restored = rl.io.read_image(runs.root() .. "/out/restored/one.png")
    local zoom = rl.io.read_image(runs.root() .. "/out/zooms/one.png"):to "f32"
    assert.are.same({ 3, 37, 50 }, restored.shape)
    assert.are.same({ 3, 37 + 50, 50 + 8 + 50 }, zoom.shape)
    local run = runs.resume "whole" -- nothing is added to a picture that is to be restored
    run.models.enhancer:eval()
    local given = rl.io.read_image(dir .. "/one.png"):to("f32") / 255
    local want = run.models.enhancer(given:unsqueeze(1)):detach():clamp { min = 0, max = 1 }
    assert.is_close(want[1] * 255, restored:to "f32", 0.51)
    local under = zoom[{ {}, { 38, 87 }, { 1, 50 } }]:unsqueeze(1) -- the left picture, twice as large
    assert.is_close(given[{ {}, { 5, 29 }, { 11, 35 } }] * 255,
      under:interpolate({ size = { 25, 25 }, mode = "nearest" })[1], 0.51)
    local wrong = { ["--zoom 1,1,9"] = "needs --whole", ["--whole --zoom 9"] = "takes X,Y,SIDE",
      ["--whole --zoom 40,1,20"] = "one.png, which has 50x37 pixels" }
    for options, message in pairs(wrong) do
      code, text = runs.program("predict whole own --out wrong " .. options)
      assert.are.equal(1, code)
      assert.truthy(text:find(message, 1, true), text)
    end
    files.write(dir .. "/two.png", "no picture")
    code, text = runs.program "predict whole own --whole --out wrong"
    assert.are.equal(1, code)
    assert.truthy(text:find('two.png".*put it right, or set data.on_bad'), text)
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
