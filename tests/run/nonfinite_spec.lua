local files = require "support.files"
local runs = require "support.runs"

local RECIPE = runs.RECIPE:gsub("tiny%.lua$", "faulty.lua")

local function trained(name, set, watch)
  local run = runs.new(name, { recipe = RECIPE, set = set, preset = "desk" })
  run.watch = watch
  local ok, why = runs.train(run)
  return ok, tostring(why), run
end

local function has(text, part) assert.is_truthy(text:find(part, 1, true), text) end

describe("a value that is not finite", function()
  teardown(runs.clean)

  it("in the forward pass is told with loss, step, layer, op, place and files", function()
    local ok, why = trained("forward", { "fault=forward", "at=2" })
    assert.is_false(ok)
    has(why, 'loss "ce" is')
    has(why, 'at step 2, stage "only"; it began at faulty: log: its output, 4x3x16x16, is')
    has(why, "nan at [1, 1, 1, 1], of images/p0")
    has(why, "; files of the batch: images/p0")
    has(why, "; the state of step 1 is kept, look at it with: rille repl " .. runs.root() .. "/forward")
  end)
  it("in the gradient alone is told with the parameters it reached", function()
    local ok, why = trained("back", { "fault=back", "at=3" })
    assert.is_false(ok)
    has(why, "the gradient of net.0.")
    has(why, 'at step 3, stage "only"; it began at faulty: ')
    has(why, "going back, its gradient of input 1, 4x3x16x16, is")
    has(why, "the state of step 2 is kept")
  end)
  it("is found behind a gate too", function()
    local ok, why = trained("gated", { "fault=back", "at=2", "stages.only.gate=pcgrad" })
    assert.is_false(ok)
    has(why, "it began at faulty: ")
    has(why, "the state of step 1 is kept")
  end)
  it("that no loss sees is found with --watch nan", function()
    assert.is_true((trained("unseen", { "fault=aside", "at=2" })))
    local ok, why = trained("seen", { "fault=aside", "at=2" }, "nan")
    assert.is_false(ok)
    has(why, "a value is -inf at step 2")
    has(why, "it began at faulty: log: its output, 4x3x16x16, is -inf at [1, 1, 1, 1]")
  end)
  it("loses nothing: the run goes on from the step before, to the same bytes", function()
    trained("whole")
    local line = ("run %q --data %q --out broken --quiet"):format(RECIPE, runs.data())
    local code, text = runs.program(line, "RILLE_TEST_FAULT='forward 4'")
    assert.are.equal(1, code)
    has(text, "the state of step 3 is kept, look at it with: rille repl broken")
    code, text = runs.program "run --resume broken --quiet"
    assert.are.equal(0, code, text)
    local function weights(name) -- without the header, which also holds the classes
      return files.read(runs.root() .. "/" .. name .. "/weights.safetensors"):sub(-240)
    end
    assert.are.equal(weights "whole", weights "broken")
  end)
  it("is looked for with --watch grads: the norm of every gradient is logged", function()
    local ok, _, run = trained("norms", {}, "grads")
    assert.is_true(ok)
    local log = files.read(run.dir .. "/log.jsonl")
    assert.is_truthy(log:find '"gradients":{"class.bias":%d')
    assert.is_truthy(log:find '"net.0.weight":%d')
  end)
end)
