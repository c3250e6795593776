-- Runs whose gates keep something: numbers and tensors, a look behind the step, two halves of the batch, an
-- activation. They stop, go on and are repeated to the same bytes.
local files = require "support.files"
local json = require "rille.util.json"
local prompt = require "rille.run.prompt"
local replay = require "rille.run.replay"
local runs = require "support.runs"
local start = require "rille.run.start"

local GATES = { db_mtl = "db_mtl", excess = "excess_mtl", famo = "famo", modo = "modo", random = "graddrop",
  learnt = "uncertainty:lr=0.01", epoch = "gradprom:main=ce,every=epoch,phi=gated", gram = "mgda:gram=true",
  above = "pcgrad:at=features" }

-- The first stage is short: the joint one has the steps from 6 on.
local function with(gate)
  return { set = { "stages.joint.gate=" .. gate, "stages.class.ends.epochs=1" } }
end

local function records(name)
  local out = {}
  for line in io.lines(runs.root() .. "/" .. name .. "/log.jsonl") do
    local r = json.decode(line)
    if r.kind == "step" and r.stage == "joint" then out[#out + 1] = r.gate end
  end
  return out
end

describe("a run with a gate that keeps something", function()
  teardown(runs.clean)
  for name, gate in pairs(GATES) do
    it("ends with the same bytes after a stop: " .. gate, function()
      assert(runs.train(runs.new(name, with(gate))))
      runs.train_until(runs.new(name .. "-stopped", with(gate)), 8)
      assert(runs.train(runs.resume(name .. "-stopped")))
      assert.are.equal(runs.weights(name), runs.weights(name .. "-stopped"))
      assert.truthy(#records(name) >= 3)
    end)
  end
  it("logs cosines and norms by layer with every gate that walks back loss by loss", function()
    for _, name in ipairs { "db_mtl", "modo", "random", "gram", "epoch" } do
      for _, gate in ipairs(records(name)) do
        local layer = gate.layers["encoder.0"]
        assert.truthy(layer.cos >= -1 and layer.cos <= 1 and layer.norm_main > 0, name)
      end
    end
    assert.truthy(records "famo"[1].weight_ce > 0)
    assert.truthy(records "above"[1].cos)
  end)
  it("is repeated with what was typed, and asked for conflicts at the prompt", function()
    local seen, typed = {}, { "run:conflicts()", 'run:set("stages.joint.gate", { "moco" })' }
    local function open(r)
      if r.position.run_step ~= 7 or seen.done then return end
      seen.done = true
      local i = 0
      prompt.open(r, { out = function(...) table.insert(seen, table.concat { ... }) end, read = function()
        i = i + 1
        return typed[i]
      end })
    end
    assert(runs.train(runs.new("typed", with "mgda"), open))
    local text = table.concat(seen, "\n")
    assert.truthy(text:find("encoder.0", 1, true), text)
    local info = start.read_info(runs.root() .. "/typed")
    local changes = replay.edit(replay.changes(runs.root() .. "/typed"), {}, {})
    local run = start.new(start.recipe_of(info), { dir = runs.root() .. "/again", data = runs.data(),
      seed = 1, checkpoint_steps = 1, quiet = true, replay = changes })
    run.log.warned = setmetatable({}, { __index = function() return true end })
    assert(runs.train(run))
    assert.are.equal(runs.weights "typed", runs.weights "again")
    assert.are_not.equal(files.read(runs.root() .. "/again/journal.jsonl"), "")
  end)
end)
