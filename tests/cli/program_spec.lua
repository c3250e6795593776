local files = require "support.files"
local json = require "rille.util.json"
local lfs = require "lfs"
local runs = require "support.runs"

local function program(line) return runs.program(line) end

describe("the program", function()
  local train
  setup(function()
    train = ("run %q --preset tiny --data %q --quiet"):format(runs.RECIPE, runs.data())
    assert.are.equal(0, (program(train .. " --out done")))
  end)
  teardown(runs.clean)

  it("lists its commands, and tells each one's options", function()
    local code, text = program "help"
    assert.are.equal(0, code)
    for _, name in ipairs { "run", "check", "eval", "predict", "report", "repl", "info", "data", "bench",
      "verify%-resume" } do
      assert.is_truthy(text:find("\n  " .. name .. " ", 1), name)
      local code2, text2 = program((name:gsub("%%", "")) .. " --help")
      assert.are.equal(0, code2)
      assert.is_truthy(text2:find("^rille " .. name), text2)
    end
  end)
  it("exits 2 on wrong usage, with the nearest word", function()
    for line, text in pairs { rnu = 'did you mean "run"', ["run --prest tiny x"] = 'did you mean "--preset"',
      run = "needs a recipe",
      ["run x --seed a"] = 'takes an integer of at least 0, not "a"', ["eval"] = "needs a run folder",
      ["info x"] = "one word too many",
      ["run x --seeds 5..1"] = "takes a range", ["run x --seed"] = "needs a value",
      ["info --json=1"] = "takes no value",
      ["bench ad"] = 'did you mean "add"', ["run x --seed 1 --seed 2"] = "is given twice" } do
      local code, said = program(line)
      assert.are.equal(2, code, line .. ": " .. said)
      assert.is_truthy(said:find(text, 1, true), line .. ": " .. said)
      assert.is_nil(said:find("traceback", 1, true))
    end
  end)
  it("exits 1 on bad input, with one line that names it", function()
    files.write(runs.root() .. "/broken.lua", "return {\n  models = ,\n}\n")
    local bad = { ["run nosuch"] = 'nothing is called "nosuch"', ["run broken.lua"] = "broken.lua:2:",
      ["eval nowhere"] = '"nowhere" holds no run', ["predict done nowhere"] = '"nowhere" is no folder',
      [("check %q --data nowhere"):format(runs.RECIPE)] = "nowhere",
      [train .. " --out done"] = "holds a run already",
      [("check %q --set widht=1"):format(runs.RECIPE)] = 'did you mean "width"',
      ["report nowhere"] = "nowhere" }
    for line, text in pairs(bad) do
      local code, said = program(line)
      assert.are.equal(1, code, line .. ": " .. said)
      assert.is_truthy(said:find(text, 1, true), line .. ": " .. said)
      local _, lines = said:gsub("\n", "")
      assert.are.equal(1, lines, said)
    end
  end)
  it("leaves a run folder with all of its parts", function()
    local dir = runs.root() .. "/done/"
    local info, metrics = json.decode(files.read(dir .. "run.json")),
    json.decode(files.read(dir .. "metrics.json"))
    assert.are.same({ "chf", "normal", "pneumonia" }, { table.unpack(info.data.classes) })
    assert.are.equal(6, metrics.n)
    assert.is_truthy(metrics.trivial.thumbnail.auc_macro and metrics.trivial.mean_map.cc.mean
      and metrics.trivial.gaussian)
    assert.is_truthy(metrics.differences["cc vs mean_map"].interval)
    for _, key in ipairs { "nss", "auc_judd", "sauc", "ig" } do -- the phantom has fixations
      assert.are.equal(6, metrics.metrics[key].n)
      assert.is_truthy(metrics.trivial.gaussian[key].mean)
    end
    assert.is_close({ 0 }, { metrics.trivial.mean_map.ig.mean }, 1e-5)
    assert.are.equal(7, select(2, files.read(dir .. "predictions.csv"):gsub("\n", "")))
    for _, name in ipairs { "pictures/saliency-best-1.png", "pictures/index.json", "weights.safetensors",
      "report.html" } do
      assert.is_truthy(lfs.attributes(dir .. name), name)
    end
    local weights = files.read(dir .. "weights.safetensors")
    assert.is_nil(weights:find(runs.root(), 1, true))
    assert.are_not.equal(0, #json.decode(files.read(dir .. "pictures/index.json")))
  end)
  it("tries to learn a few images by heart", function()
    local line = "check %q --preset tiny --data %q --overfit 3"
    local code, text = program(line:format(runs.RECIPE, runs.data()))
    assert.are.equal(0, code, text)
    assert.is_truthy(text:find('stage "class" on the same 3 images: loss %d%.%d+ %(step 1%)'), text)
    assert.is_truthy(text:find("it did not fall to half", 1, true), text) -- two channels and dropout
  end)
  it("checks a recipe in moments", function()
    local code, text = program(("check %q --preset tiny --data %q"):format(runs.RECIPE, runs.data()))
    assert.are.equal(0, code, text)
    for _, part in ipairs { "train  12 images: chf 4, normal 4, pneumonia 4", "class 4x3",
      "features 4x2x16x16", 'stage "joint"',
      "gate gradprom", "3 steps an epoch", "a step", "MiB at most", "losses    ce " } do
      assert.is_truthy(text:find(part, 1, true), part .. "\n" .. text)
    end
  end)
  it("scores a run again, with the same figures", function()
    local code, text = program "eval done --json"
    assert.are.equal(0, code, text)
    local again, first = json.decode(text), json.decode(files.read(runs.root() .. "/done/metrics.json"))
    assert.are.same(first.metrics, again.metrics)
  end)
  it("predicts a folder of pictures", function()
    local code, text = program "predict done phantom/images --out predicted"
    assert.are.equal(0, code, text)
    local _, lines = files.read(runs.root() .. "/predicted/predictions.csv"):gsub("\n", "")
    assert.are.equal(25, lines)
    assert.are.equal(26, select(2, io.popen(("ls -a %q"):format(runs.root() ..
      "/predicted/maps")):read "a":gsub("\n", "")))
  end)
  it("runs several seeds", function()
    local code, text = program(train .. " --out many --seeds 1..2")
    assert.are.equal(0, code, text)
    assert.are.equal(runs.weights "done", runs.weights "many/seed1")
    assert.are_not.equal(runs.weights "done", runs.weights "many/seed2")
    assert.is_truthy(select(2, program "runs"):find("no runs in runs", 1, true))
    assert.is_truthy(select(2, program "runs many"):find("many/seed2 ", 1, true))
  end)
  it("proves that resuming is exact", function()
    local line = "verify-resume %q --data %q --set stages.class.ends.epochs=1"
      .. " --set stages.joint.ends.epochs=1"
    local code, text = program(line:format(runs.RECIPE, runs.data()))
    assert.are.equal(0, code, text)
    assert.is_truthy(text:find("8 of 8 killed runs ended with the same bytes", 1, true), text)
  end)
  it("tells about itself as JSON", function()
    local code, text = program "info --json"
    assert.are.equal(0, code)
    local about = json.decode(text)
    assert.is_truthy(about.isa and about.threads >= 1 and about.memory_limit > 0 and about.lua == "Lua 5.4")
  end)
  it("draws the phantom, and measures", function()
    assert.is_truthy(select(2, program "data phantom drawn --n 10 --size 16"):find("10 rows", 1, true))
    local code, text = program "bench mlp --steps 2"
    assert.are.equal(0, code, text)
    local line = json.decode(text)
    assert.are.equal("mlp", line.workload)
    assert.is_true(line.median_s > 0 and line.best_s <= line.median_s and #line.loss == 3)
  end)
  it("stops at a loss that is not finite, and names it, the step and the files", function()
    local file = files.write(runs.root() .. "/nan.lua",
      (files.read(runs.RECIPE):gsub("rl.cross_entropy%(", "(0 / 0) * rl.cross_entropy(")))
    local code, text = program(("run %q --preset tiny --data %q --out nan --quiet"):format(file, runs.data()))
    assert.are.equal(1, code)
    assert.is_truthy(text:find('loss "ce" is %-?nan at step 1, stage "class"; it began at mul: its output, '
      .. "scalar, is %-?nan; what it was given was not finite already; files of the batch: images/[^;]+$"),
      text)
  end)
  it("looks the data over before the first step: doubles are told, an unreadable file stops it", function()
    local dir = runs.root() .. "/spoilt"
    os.execute(("cp -r %q %q"):format(runs.data(), dir))
    files.write(dir .. "/images/p00001.png", files.read(dir .. "/images/p00000.png"))
    local code, text = program(("check %q --preset tiny --data spoilt"):format(runs.RECIPE))
    assert.are.equal(0, code, text)
    assert.is_truthy(text:find("warning: data: .*p00001%.png"), text)
    files.write(dir .. "/images/p00002.png", "no picture")
    code, text = program(("run %q --preset tiny --data spoilt --out spoilt_run --quiet"):format(runs.RECIPE))
    assert.are.equal(1, code, text)
    assert.is_truthy(text:find("rille: data: .*p00002%.png.*put them right, or set data.on_bad"), text)
  end)
end)
