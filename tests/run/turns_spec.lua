local checkpoint = require "rille.run.checkpoint"
local files = require "support.files"
local json = require "rille.util.json"
local prompt = require "rille.run.prompt"
local Recipe = require "rille.run.recipe"
local replay = require "rille.run.replay"
local runs = require "support.runs"
local start = require "rille.run.start"

local RECIPE = runs.RECIPE:gsub("tiny%.lua$", "turns.lua")

local function new(name, set) return runs.new(name, { recipe = RECIPE, set = set }) end

local function logged(name, kind)
  local out = {}
  for line in files.read(runs.root() .. "/" .. name .. "/log.jsonl"):gmatch "[^\n]+" do
    local record = json.decode(line)
    if record.kind == kind then out[#out + 1] = record end
  end
  return out
end

-- Parameters of a model before and after a run's first stage.
local function moved(set, model)
  local run = new("moved", set)
  local before = run.models[model]:parameters()[1]:detach():clone()
  runs.train_until(run, 1)
  local after = run.models[model]:parameters()[1]:detach():clone()
  files.remove(runs.root() .. "/moved")
  return (before - after):abs():max():item() > 0
end

describe("stages whose steps take turns", function()
  local whole
  setup(function()
    assert(runs.train(new "whole"))
    whole = runs.weights "whole"
  end)
  teardown(runs.clean)

  it("train each model in its own turn only", function()
    local still = "stages.pair.turns.%s.optimiser.lr=0"
    assert.is_true(moved({}, "judge"))
    assert.is_false(moved({ still:format "judge" }, "judge"))
    assert.is_true(moved({ still:format "judge" }, "segmentor"))
    assert.is_false(moved({ still:format "draw" }, "segmentor"))
  end)
  it("log each turn's losses, rate and gradient, and validate by the last turn's", function()
    local first, epoch = logged("whole", "step")[1], logged("whole", "epoch")[1]
    assert.are.same({ "draw", "fake", "fool", "real" }, require "rille.run.build".sorted_names(first.losses))
    assert.are.equal(0.1, first.weights.fool) -- of the preset
    assert.is_truthy(first.turns.judge.gradient > 0 and first.turns.draw.lr == 1e-2)
    assert.is_truthy(first.gate.cos >= -1 and first.gate.layers)
    local val = epoch.val
    assert.is_nil(val.real)
    assert.is_close({ val.loss }, { val.draw + 0.1 * val.fool }, 1e-6)
    assert.is_truthy(val.dice >= 0 and val.iou <= val.dice and val.specificity)
    local event = logged("whole", "stage")[1]
    assert.are.equal("judge Adam, draw Adam", event.optimiser)
    assert.is_truthy(event.parameters_at_once < event.parameters_trained)
  end)
  it("end with the same bytes after a stop at any step", function()
    for _, stop in ipairs { 1, 3, 5, 7, 8, 9 } do
      local name = "stop" .. stop
      assert.is_false((runs.train_until(new(name), stop)))
      assert.is_true((runs.train(runs.resume(name))))
      assert.are.equal(whole, runs.weights(name))
    end
  end)
  it("are changed at the prompt and by the file, resumed and replayed", function()
    local path = runs.root() .. "/edited.lua"
    files.write(path, files.read(RECIPE))
    local lines = { 'run:set("stages.pair.turns.draw.losses.fool", 0.3)',
      "function half(step) return step > 4 and 5e-3 or 1e-2 end",
      'run:set("stages.pair.turns.judge.optimiser.lr", half)',
      'run:set("stages.pair.turns.draw.gate", { "pcgrad" })',
      'run:set("stages.pair.turns.judge.trains", "judge.0.")' }
    local function train(run, stop_at)
      local done = {}
      return runs.train(run, function(r)
        local at = r.position.run_step
        if stop_at and at >= stop_at then error({ stopped = true }, 0) end
        if at == 2 and not done.typed and not r.replay then
          done.typed = true
          local i = 0
          prompt.open(r, { out = function() end, read = function()
            i = i + 1
            return lines[i]
          end })
        elseif at == 3 and not done.edited and not r.replay then
          done.edited = true
          files.write(path, (files.read(path):gsub("{ draw = 1, fool", "{ draw = 0.5, fool")) .. "\n")
          require "lfs".touch(path, 1, 1)
        end
      end)
    end
    local function begin(name, queue)
      local r = start.new(Recipe.load(path, { preset = "tiny" }), { dir = runs.root() .. "/" .. name,
        data = runs.data(), seed = 1, checkpoint_steps = 1, quiet = true, replay = queue })
      r.log.warned = setmetatable({}, { __index = function() return true end })
      return r
    end
    assert(train(begin "changed"))
    local changed = runs.weights "changed"
    assert.are_not.equal(whole, changed)
    local weights = logged("changed", "step")[5].weights
    assert.are.equal(0.5, weights.draw)
    assert.are.equal(5e-3, logged("changed", "step")[5].turns.judge.lr)
    files.write(path, files.read(RECIPE))
    train(begin "cut", 5)
    assert(runs.train(runs.resume "cut"))
    assert.are.equal(changed, runs.weights "cut")
    files.write(path, files.read(RECIPE))
    assert(train(begin("again", replay.edit(replay.changes(runs.root() .. "/changed"), {}, {}))))
    assert.are.equal(changed, runs.weights "again")
  end)
  it("keep the averaged weights, and call after with the state", function()
    local run = new("averages", { "stages.pair.ends.epochs=1" })
    local kept, at = {}, nil
    local function copy(tensor) return tensor:detach():clone() end
    assert(runs.train(run, function(r)
      if r.stage.name ~= "average" then return end
      local w = r.models.segmentor:parameters()[1]
      at = at or #logged("averages", "step") - 1
      kept[#kept + 1] = copy(w)
    end))
    local first = checkpoint.read_weights(run.dir .. "/checkpoints/state-000004-end.safetensors")
    local average = first["model.segmentor.0.weight"]
    for t, w in ipairs(kept) do -- steps made before: t - 1
      local d = math.min(0.9, t / (9 + t))
      average = average * d + w * (1 - d)
    end
    local best = logged("averages", "stage")[4]
    assert.are.equal(2, best.best_epoch)
    assert.is_close(average, run.models.segmentor:parameters()[1], 1e-6)
  end)
end)
