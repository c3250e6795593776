local Journal = require "rille.run.journal"
local files = require "support.files"
local prompt = require "rille.run.prompt"
local Recipe = require "rille.run.recipe"
local replay = require "rille.run.replay"
local runs = require "support.runs"
local start = require "rille.run.start"

-- Trains; at each step named in `typed` a prompt opens and these lines are typed.
local function train(run, typed, edits, stop_at)
  local seen = {}
  return runs.train(run, function(r)
    local at = r.position.run_step
    if stop_at and at >= stop_at then error({ stopped = true }, 0) end
    if typed[at] and not seen[at] then
      seen[at] = true
      local i = 0
      prompt.open(r, { out = function() end, read = function()
        i = i + 1
        return typed[at][i]
      end })
    end
    if edits and edits[at] then edits[at](r) end
  end)
end

-- A copy of the recipe that a spec may edit.
local function own_recipe(name)
  local path = runs.root() .. "/" .. name .. ".lua"
  files.write(path, (files.read(runs.RECIPE):gsub("plateau = 1, epochs = 2", "epochs = 2")))
  return path
end

local TYPED = {
  [2] = { 'run:set("stages.class.losses.ce", 0.5)', "noise = rl.randn({ 2 })[1]:item()",
    'params["class.bias"]:mul_(1 + noise)' },
  [4] = { "function half(step) return step > 4 and 0.5 or 1 end",
    'run:set("stages.class.optimiser.lr", 2e-3); oops()',
    'run:set("stages.joint.losses.kl", half)' },
  [5] = { 'run:set("stages.class.trains", "class.")', 'run:set("stages.joint.gate", "none")',
    'run:set("stages.joint.ends", { epochs = 1 })' },
}

-- No epoch before a change is taken as the best one.
local LAST = { "stages.class.select=last", "stages.joint.select=last" }

describe("a replay", function()
  local recipe, whole
  local function edit_file(run)
    local path = run.base.file
    files.write(path, (files.read(path):gsub("rl.saliency_kl", "3 * rl.saliency_kl")) .. "\n")
  end
  local function again(name, queue, options)
    local info = start.read_info(runs.root() .. "/whole")
    local run = start.new(start.recipe_of(info), { dir = runs.root() .. "/" .. name, data = runs.data(),
      seed = info.seed, checkpoint_steps = 1, quiet = true, replay = queue })
    run.log.warned = setmetatable({}, { __index = function() return true end })
    return train(run, {}, nil, options and options.stop_at)
  end
  setup(function()
    recipe = own_recipe "edited"
    local run = start.new(Recipe.load(recipe, { preset = "tiny", set = LAST }),
      { dir = runs.root() .. "/whole", data = runs.data(), seed = 1, checkpoint_steps = 1, quiet = true })
    assert(train(run, TYPED, { [3] = edit_file }))
    whole = runs.weights "whole"
  end)
  teardown(runs.clean)

  it("ends with the same bytes, and keeps the same journal", function()
    local changes = replay.changes(runs.root() .. "/whole")
    assert.are.equal(10, #changes)
    assert(again("same", replay.edit(changes, {}, {})))
    assert.are.equal(whole, runs.weights "same")
    local a, chain_a = Journal.read(runs.root() .. "/whole/journal.jsonl")
    local b, chain_b = Journal.read(runs.root() .. "/same/journal.jsonl")
    assert.are.equal(#a, #b)
    assert.are.equal(chain_a, chain_b)
  end)
  local counts = { ["a file"] = 4, ["a schedule"] = 7, ["a freezing"] = 8, ["a gate"] = 9, ["an end"] = 10 }
  for what, k in pairs(counts) do
    it("ends elsewhere without the change of " .. what, function()
      local name = "without" .. k
      assert(again(name, replay.edit(replay.changes(runs.root() .. "/whole"), { k }, {})))
      assert.is_true(whole ~= runs.weights(name))
    end)
  end
  it("ends with the same bytes when it is stopped and resumed", function()
    for stop = 2, 6 do
      local name = "stopped" .. stop
      again(name, replay.edit(replay.changes(runs.root() .. "/whole"), {}, {}), { stop_at = stop })
      assert.is_true((runs.train(runs.resume(name))))
      assert.are.equal(whole, runs.weights(name))
    end
  end)
  it("leaves changes out and moves them", function()
    local changes = replay.changes(runs.root() .. "/whole")
    local function of(drop, shift)
      local list = {}
      for _, c in ipairs(replay.edit(changes, drop, shift)) do list[#list + 1] = c.number .. "@" .. c.step end
      return table.concat(list, " ")
    end
    assert.are.equal("1@2 2@2 3@2 4@3 5@4 6@4 7@4 8@5 9@5 10@5", of({}, {}))
    assert.are.equal("2@2 4@3 3@4 5@4 6@4 7@4 8@5 9@5 10@5", of({ 1 }, { [3] = 2 }))
    assert.error_matches(function() of({ 11 }, {}) end, "there is no change 11; the run has 10", nil, true)
    assert.error_matches(function() of({}, { [1] = -2 }) end, "cannot be moved by -2", nil, true)
    assert(again("fewer", replay.edit(changes, { 1, 2, 3 }, {})))
    assert.is_true(whole ~= runs.weights "fewer")
    local none = {}
    for k = 1, #changes do none[k] = k end
    assert(again("none", replay.edit(changes, none, {})))
    runs.train(runs.new("plain", { recipe = own_recipe "plain", set = LAST }))
    assert.are.equal(runs.weights "plain", runs.weights "none")
  end)
  it("names what reads from outside the run", function()
    assert.are.equal("os.time", replay.outside "x = os.time()")
    assert.are.equal("io.open, rl.data.open", replay.outside 'io.open "a"; rl.data.open "b"')
    assert.is_nil(replay.outside 'run:set("stages.a.losses.ratio", 1)')
  end)
  it("is served by the program", function()
    local code, text = runs.program "run --replay whole --out byhand --drop 1 --shift 2:+1 --quiet"
    assert.are.equal(0, code, text)
    code, text = runs.program "run --replay whole --out byhand2 --shift 2:3"
    assert.are.equal(2, code)
    assert.is_truthy(text:find("--shift takes K:+N", 1, true), text)
    code, text = runs.program "run --resume whole --at 6 --out branch --quiet"
    assert.are.equal(0, code, text)
    code, text = runs.program "run --resume whole --at 1 --out branch2 --quiet"
    assert.are.equal(1, code)
    assert.is_truthy(text:find("keeps no checkpoint at or before step 1; it has 6", 1, true), text)
  end)
end)
