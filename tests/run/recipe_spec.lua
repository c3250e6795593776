local files = require "support.files"
local paths = require "rille.run.paths"
local Recipe = require "rille.run.recipe"
local runs = require "support.runs"
local stage = require "rille.run.stage"
local turn = require "rille.run.turn"

local TEXT = [[
local R = {}
R.options = { width = 4, deep = false, name = "a", sizes = { 1, 2 }, epochs = { first = 3 } }
R.presets = { tiny = { width = 1, stages = { one = { ends = { steps = 1 }, optimiser = { lr = 5 } } },
  data = { mean = 0.5 } } }
R.data = { augment = { flip = 0.5 } }
function R.models() return {} end
function R.forward() return {} end
R.losses = { ce = function() end, kl = function() end }
R.stages = {
  { "one", "encoder. head.", { ce = 1 }, "none", { "Adam", lr = 1e-3 }, { epochs = 2 } },
  { name = "two", trains = "*", losses = { ce = 1, kl = 0.5 }, gate = { "gradprom", main = "ce" },
    ends = { plateau = 3 } },
}
return R
]]

local function load_text(text, o)
  o = o or {}
  return Recipe.load("r.lua", { text = text, preset = o.preset, set = o.set })
end

local function with(from, to)
  local a, b = TEXT:find(from, 1, true)
  return TEXT:sub(1, a - 1) .. to .. TEXT:sub(b + 1)
end

describe("a recipe", function()
  teardown(runs.clean)
  it("has stages with fields by name, and plain options", function()
    local r = load_text(TEXT)
    assert.are.same({ "Adam", lr = 1e-3 }, r.stages[1].optimiser)
    assert.are.same({ "none" }, r.stages[1].gate)
    assert.are.same({ epochs = 2 }, r.stages[1].ends)
    assert.are.equal("val loss", r.stages[2].select)
    assert.are.same({ "ce", "kl" }, turn.loss_names(r.stages[2]))
    assert.are.equal(128, r.options.size)
  end)
  it("takes presets, and --set over them, with the types of what was there", function()
    local r = load_text(TEXT, { preset = "tiny",
      set = { "width=7", "deep=true", "name=5", "sizes={3,4}", "epochs.first=9",
      "stages.one.losses.kl=0.25", "stages.two.gate=pcgrad:main=kl", "stages.one.optimiser.lr=1e-2",
      "stages.two.batch=3",
      "data.augment.rotate=5" } })
    assert.are.equal(7, r.options.width)
    assert.is_true(r.options.deep)
    assert.are.equal("5", r.options.name)
    assert.are.same({ 3, 4 }, r.options.sizes)
    assert.are.equal(9, r.options.epochs.first)
    assert.are.same({ ce = 1, kl = 0.25 }, r.stages[1].losses)
    assert.are.same({ steps = 1 }, r.stages[1].ends)
    assert.are.same({ "Adam", lr = 1e-2 }, r.stages[1].optimiser)
    assert.are.same({ "pcgrad", main = "kl" }, r.stages[2].gate)
    assert.are.equal(3, r.stages[2].batch)
    assert.are.same({ flip = 0.5, rotate = 5 }, r.data.augment)
    assert.are.same({ 0.5, 600 }, { r.data.mean, r.data.phantom.train })
  end)
  it("may give its stages as a function of the options", function()
    local r = load_text(with("R.stages = {", "function R.stages(o) return {"):gsub("}\nreturn R",
      "} end\nreturn R")
      :gsub("{ epochs = 2 }", "{ epochs = o.width }"), { set = { "width=6" } })
    assert.are.equal(6, r.stages[1].ends.epochs)
  end)
  local refusals = {
    { TEXT, { "widht=3" }, 'there is no "widht", did you mean "width"' },
    { TEXT, { "width" }, "write path=value" },
    { TEXT, { "width=wide" }, '"width" is a number, not "wide"' },
    { TEXT, { "deep=1" }, '"deep" is true or false, not "1"' },
    { TEXT, { "epochs=3" }, '"epochs" has parts; set one of them: first' },
    { TEXT, { "stages.won.gate=none" }, 'there is no "won", did you mean "one"' },
    { TEXT, { "stages.one.gat=none" }, 'there is no "gat", did you mean "gate"' },
    { TEXT, { "stages.one.losses.ke=1" }, 'stages.one.losses: there is no "ke", did you mean "ce"' },
    { TEXT, { "stages.one.ends.epochs=0" }, "it is a whole number from 1 on" },
    { with("R.data", "R.date"), nil, 'date: there is no "date", did you mean "data"' },
    { with("trains", "train"), nil, 'unknown field "train", did you mean "trains"' },
    { with("{ ce = 1 },", "{ ce = true },"), nil, "a weight is a number or a function" },
    { with("{ plateau = 3 }", "{ plateu = 3 }"), nil, 'there is no "plateu", did you mean "plateau"' },
    { TEXT, { "stages.one.select=val dice" }, 'write watch = { segment = "name of an output" }' },
    { TEXT, { "stages.one.select=val lose" }, 'there is no "lose", did you mean "loss"' },
    { TEXT, { "stages.two.select=last" }, 'stages.two.ends.plateau: waits for what is selected by' },
    { TEXT, { "stages.one.accumulate=0" }, "stages.one.accumulate: is a whole number from 1 on" },
    { TEXT, { "stages.one.ema=1" }, "stages.one.ema: is the share of the average" },
    { with("R.data", "R.after = {} R.data"), nil, "after: must be a function" },
    { with('"two"', '"one"'), nil, "stages.one: stands there twice" },
    { with("function R.forward() return {} end", ""), nil, "forward: must be a function" },
    { with("return R\n", ""), nil, "must return a table" },
    { "return {", nil, "r.lua:1:" },
    { "error 'late'", nil, "late" },
    { "\27Lua", nil, "compiled code, which is never run" },
  }
  for i, case in ipairs(refusals) do
    it(("refuses fault %d with its name and a cure: %s"):format(i, case[3]), function()
      local ok, why = pcall(load_text, case[1], { set = case[2] })
      assert.is_false(ok)
      assert.is_truthy(why:find(case[3], 1, true), why)
      assert.is_truthy(why:find("r.lua", 1, true), why)
    end)
  end
  it("is found by name and by path, and the nearest is named", function()
    assert.are.equal(runs.RECIPE, Recipe.find(runs.RECIPE))
    assert.error_matches(function() Recipe.find "no/such.lua" end, '"no/such.lua" does not exist')
    assert.error_matches(function() Recipe.find "cooperativ" end, 'did you mean "cooperative"')
    assert.error_matches(function() load_text(TEXT, { preset = "tine" }) end, 'did you mean "tiny"')
  end)
  it("is checked against its models before any work", function()
    assert.error_matches(function() runs.new("trains", { set = { "stages.gaze.trains=gase." } }) end,
      'did you mean "gaze."')
    assert.error_matches(function() runs.new("gate", { set = { "stages.joint.gate=gradpron" } }) end,
      'did you mean "gradprom"')
    assert.error_matches(function() runs.new("main", { set = { "stages.joint.gate=gradprom:main=kk" } }) end,
      'stages.joint.gate: there is no "kk"')
    assert.error_matches(function() runs.new("optimiser", { set = { "stages.gaze.optimiser=Adan" } }) end,
      'did you mean "Adam"')
  end)
  it("is asked for the outputs that it watches and scores, before the first step", function()
    local text = files.read(runs.RECIPE)
    local function begun(name, from, to)
      local file = files.write(runs.root() .. "/" .. name .. ".lua", (text:gsub(from, to)))
      return runs.new(name, { recipe = file })
    end
    assert.error_matches(function() begun("watched", 'watch = { classify = "class" }',
      'watch = { classify = "clas" }') end,
      'stages.class.watch.classify: forward gives no such output: there is no "clas", did you mean "class"')
    assert.error_matches(function() begun("scored", 'saliency = "gaze" }', 'saliency = "gase" }') end,
      'report.saliency: forward gives no such output: there is no "gase", did you mean "gaze"')
  end)
  it("does not begin in a folder that holds a run", function()
    runs.train_until(runs.new "twice", 1)
    assert.error_matches(function() runs.new "twice" end, "holds a run already; go on with --resume")
  end)
end)

describe("values as typed", function()
  it("are numbers, booleans, lists, names with options, or text", function()
    assert.are.equal(1e-3, paths.value "1e-3")
    assert.are.equal(math.type(3), math.type(paths.value "3"))
    assert.are.same({ 1, "b", true }, paths.value "{1, b, true}")
    assert.are.same({ "gradprom", main = "ce", floor = 0.5 }, paths.value "gradprom:main=ce,floor=0.5")
    assert.are.equal("C:/x", paths.value "C:/x" == "C:/x" and "C:/x" or paths.value "C:/x"[1] .. ":/x")
  end)
end)

describe("a stage", function()
  it("ends by epochs, by steps, or when nothing gets better", function()
    local s = { ends = { epochs = 3, plateau = 2 } }
    assert.is_nil(stage.is_over(s, { step = 9, epoch = 2, since_best = 1 }))
    assert.are.equal("3 epochs", stage.is_over(s, { step = 9, epoch = 3, since_best = 0 }))
    assert.are.equal("no gain in 2 epochs", stage.is_over(s, { step = 9, epoch = 2, since_best = 2 }))
    assert.are.equal("9 steps", stage.is_over({ ends = { steps = 9 } },
      { step = 9, epoch = 0, since_best = 0 }))
  end)
  it("trains what its prefixes name", function()
    assert.is_true(turn.is_trained("encoder. head.weight", "encoder.0.weight"))
    assert.is_true(turn.is_trained("encoder. head.weight", "head.weight"))
    assert.is_false(turn.is_trained("encoder. head.weight", "head.bias"))
    assert.is_true(turn.is_trained("*", "anything"))
  end)
  it("names the place when a function gives no number", function()
    local s = { name = "x", losses = { ce = function() return "a" end }, optimiser = {} }
    assert.error_matches(function() turn.at(s, 1, {}) end, "stages.x.losses.ce: gave a at step 1")
  end)
end)

describe("files", function()
  it("are read and written whole", function()
    local dir, util = files.folder(), require "rille.util.files"
    util.make_folder(dir .. "/a/b/c")
    util.write(dir .. "/a/b/c/x", "1\0002")
    assert.are.equal("1\0002", util.read(dir .. "/a/b/c/x"))
    assert.are.same({ "x" }, util.list(dir .. "/a/b/c"))
    assert.is_nil((util.read(dir .. "/none")))
    assert.error_matches(function() util.write(dir .. "/none/x", "") end, "choose another folder")
    files.remove(dir)
  end)
end)
