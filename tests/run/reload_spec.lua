local files = require "support.files"
local runs = require "support.runs"

-- A recipe file of its own, and a run of it in which `edit(text)` rewrites the file after two steps.
local function edited(name, edit)
  local file, text = runs.root() .. "/" .. name .. ".lua", files.read(runs.RECIPE)
  files.write(file, text)
  local run, seen = runs.new(name, { recipe = file }), {}
  local ok, why = runs.train(run, function(r)
    if r.position.run_step == 2 and not seen.done then
      seen.done = true
      files.write(file, edit(text) .. "\n")
      require "lfs".touch(file, 1, 1)
    end
    seen.ce = r.stage.losses.ce
    seen[r.position.run_step] = r.stage
  end)
  assert.is_true(ok, tostring(why))
  return run, seen, files.read(run.dir .. "/log.jsonl"), files.read(run.dir .. "/journal.jsonl")
end

local function replace(from, to)
  return function(text)
    local a, b = text:find(from, 1, true)
    assert(a, from)
    return text:sub(1, a - 1) .. to .. text:sub(b + 1)
  end
end

describe("a recipe that changes while it runs", function()
  local plain
  setup(function()
    runs.train(runs.new "plain")
    plain = runs.weights "plain"
  end)
  teardown(runs.clean)

  it("is taken up between two steps, and journalled with its text", function()
    local run, seen, log, journal = edited("weight", replace("{ ce = one }", "{ ce = 0.25 }"))
    assert.are.equal("function", type(seen[1].losses.ce))
    assert.are.equal(0.25, seen[3].losses.ce)
    assert.is_truthy(log:find '"step":3,"total":[%d.]+,"weights":{"ce":0.25}')
    assert.is_truthy(journal:find('"changed":["stages.class.losses"]', 1, true), journal)
    assert.is_truthy(journal:find("ce = 0.25", 1, true))
    assert.are.equal(0, run.log.warnings)
    assert.are_not.equal(plain, runs.weights "weight")
  end)
  it("takes up rates, ends and gates of later stages too", function()
    local _, seen = edited("rate", replace('{ "Adam", lr = 1e-3 }', '{ "Adam", lr = 2e-3 }'))
    assert.are.equal(2e-3, seen[9].optimiser.lr)
    _, seen = edited("gate", replace('{ "gradprom", main = "ce" }', '"none"'))
    assert.are.same({ "none" }, seen[9].gate)
  end)
  it("takes up the gate and the end of the stage at work, and what a loss computes", function()
    local _, seen = edited("end", replace("{ epochs = 2 },\n    watch", "{ steps = 4 },\n    watch"))
    assert.are.equal("class", seen[3].name)
    assert.are.equal("gaze", seen[5].name)
    local run, _, log = edited("own loss", replace("rl.cross_entropy(y.class, batch.label)",
      "rl.cross_entropy(y.class, batch.label) * 2"))
    assert.is_truthy(log:find '"losses":{"ce":[2-9]')
    assert.are.equal(0, run.log.warnings)
    _, seen = edited("own gate", replace('{ ce = one }, "none"', '{ ce = one }, { "none", layers = true }'))
    assert.are.same({ "none", layers = true }, seen[3].gate)
  end)
  it("does not notice comments", function()
    local _, _, log = edited("comment", replace("R.cache", "-- kept\nR.cache"))
    assert.is_nil(log:find("not taken up", 1, true))
    assert.are.equal(plain, runs.weights "comment")
  end)
  local refused = {
    model = { "o.width, 3, { padding = 1 }", "o.width, 5, { padding = 2 }",
      "the model changed: needs a restart" },
    output = { "m.gaze(y.features)", "m.gaze(y.features * 2)", "forward changed: needs a restart" },
    option = { "gaze = 0.5", "gaze = 0.7", "options changed: needs a restart" },
    trains = { '"encoder. class."', '"class."', "stages.class.trains changed: needs a restart" },
    optimiser = { '{ "Adam", lr = 1e-2 }, { epochs = 2 }', '{ "SGD", lr = 1e-2 }, { epochs = 2 }',
      "stages.class.optimiser changed: needs a restart" },
    decay = { '{ "Adam", lr = 1e-2 }, { epochs = 2 }',
      '{ "Adam", lr = 1e-2, weight_decay = 1 }, { epochs = 2 }',
      "stages.class.optimiser changed: needs a restart" },
    batch = { "augment = false }", "augment = false, batch = 2 }", "stages.gaze.batch changed" },
    clip = { "augment = false }", "augment = false, clip = 1 }", "stages.gaze.clip changed" },
    several = { "augment = false }", "augment = false, accumulate = 2 }", "stages.gaze.accumulate changed" },
    average = { "augment = false }", "augment = false, ema = 0.9 }", "stages.gaze.ema changed" },
    watch = { 'watch = { classify = "class" }', "watch = {}", "stages.class.watch changed" },
    choice = { "augment = false }", 'augment = false, select = "val kl" }', "stages.gaze.select changed" },
    norms = { "augment = false }", 'augment = false, frozen_norms = "moving" }', "frozen_norms changed" },
    stages = { "R.report =", "R.stages[4] = { 'new', '*', { ce = 1 }, ends = 1 }\nR.report =",
      "the number of stages changed: needs a restart" },
    names = { '{ "gaze", "gaze."', '{ "look", "gaze."', 'stage 2 is now "look" instead of "gaze"' },
    data = { "flip = 0.5", "flip = 0.25", "data changed: needs a restart" },
    report = { 'R.report = { classify = "class",', "R.report = {", "report changed: needs a restart" },
    cache = { 'R.cache = { "features" }', "R.cache = {}", "cache changed: needs a restart" },
    after = { "R.report =", "function R.after() end\nR.report =", "after changed: needs a restart" },
    syntax = { "R.losses = {", "R.losses = ({", "recipe: " },
    name = { "{ kl = one }", "{ kk = one }", 'there is no "kk", did you mean "kl"' },
    raises = { "{ ce = one }", "{ ce = function() error('not now') end }", "raises.lua:" },
    number = { "{ ce = one }", "{ ce = function() return 0 / 0 end }", "must give a finite number" },
    loss = { "rl.cross_entropy(y.class, batch.label)", "rl.cross_entropy(y.glass, batch.label)",
      'no output "glass"' },
  }
  for name, case in pairs(refused) do
    it("is refused when it cannot be: " .. name, function()
      local _, _, log, journal = edited(name, replace(case[1], case[2]))
      assert.is_truthy(log:find("recipe not taken up: ", 1, true), log)
      local text = log:match '"text":"(recipe not taken up.-[^\\])"':gsub('\\"', '"')
      assert.is_truthy(text:find(case[3], 1, true), text)
      assert.are.equal("", journal)
      assert.are.equal(plain, runs.weights(name))
    end)
  end
  it("stops with the state kept where its schedule raises later; put right, the run goes on", function()
    local file, text = runs.root() .. "/late.lua", files.read(runs.RECIPE)
    local bad = "{ ce = function(n) return n < 3 and 1 or error 'too late' end }"
    bad = replace("{ ce = one }", bad)(text)
    files.write(file, bad)
    local ok, why = runs.train(runs.new("late", { recipe = file }))
    assert.is_false(ok)
    assert.is_truthy(why:find("too late; the state of step 2 is kept", 1, true), why)
    files.write(file, text)
    assert.is_true((runs.train(runs.resume "late")))
    assert.are.equal(plain, runs.weights "late")
  end)
end)
