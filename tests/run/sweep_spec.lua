local files = require "support.files"
local Recipe = require "rille.run.recipe"
local runs = require "support.runs"
local sweep = require "rille.run.sweep"

describe("a sweep", function()
  teardown(runs.clean)

  it("reads values, options of a name and lists", function()
    assert.same({ path = "gate", values = { "none", "gradprom:main=ce,lambda=1", "pcgrad" } },
      sweep.parse "gate=none,gradprom:main=ce,lambda=1,pcgrad")
    assert.same({ path = "size", values = { "{ 64, 32 }", "96" } }, sweep.parse "size={ 64, 32 },96")
    assert.error_matches(function() sweep.parse "gate" end, "write path=a,b", nil, true)
    assert.error_matches(function() sweep.parse "gate=none" end, "one value is no choice", nil, true)
  end)
  it("plans every seed of every combination", function()
    local plan = sweep.plan({ sweep.parse "a.b=1,2", sweep.parse "gate=none,cosine:main=ce" }, 3, 4)
    assert.are.equal(8, #plan)
    assert.same({ name = "b=1,gate=none-seed3", seed = 3, set = { "a.b=1", "gate=none" } }, plan[1])
    assert.are.equal("b=2,gate=cosine_main_ce-seed4", plan[8].name)
  end)
  it("sets the gate of stages that have several losses", function()
    local r = Recipe.load(runs.RECIPE, { set = { "gate=gradprom:main=kl" } })
    assert.same({ "gradprom", main = "kl" }, r.stages[3].gate)
    assert.same({ "none" }, r.stages[1].gate)
  end)
  it("runs, skips what is there, and compares", function()
    local line = "run %q --preset tiny --data %q --out many --seeds 1..2 --vary %s --quiet"
    line = line:format(runs.RECIPE, runs.data(), "gate=none,gradprom:main=ce")
    local code, text = runs.program(line)
    assert.are.equal(0, code, text)
    assert.is_truthy(text:find("stages.joint.gate", 1, true), text)
    assert.is_truthy(text:find("±", 1, true), text)
    assert.is_truthy(text:find("paired differences", 1, true), text)
    assert.is_truthy(files.read(runs.root() .. "/many/compare.html"))
    code, text = runs.program(line)
    assert.are.equal(0, code, text)
    assert.is_truthy(text:find("seed2 is there already", 1, true), text)
    code, text = runs.program((line:gsub("main=ce", "main=cc")))
    assert.are.equal(1, code)
    assert.is_truthy(text:find('there is no "cc"', 1, true), text)
  end)
end)
