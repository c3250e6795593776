-- The KLTV recipes: ten f64 steps of every mode, as the runner makes them, follow a PyTorch twin whose losses
-- are kept in tests/golden (tests/twin/kltv.py says how to make them again); runs that are cut go on with the
-- same bits, although two streams of images feed them.
local json = require "rille.util.json"
local recipe = require "rille.run.recipe"
local rl = require "rille"
local runs = require "support.runs"
local trial = require "rille.run.trial"
local root = _G.RILLE_ROOT
local twin = dofile(root .. "/tests/twin/kltv.lua")

describe("KLTV", function()
  local f <close> = assert(io.open(root .. "/tests/golden/kltv.json"))
  local want = json.decode(f:read "a").f64
  local dir

  setup(function()
    dir = runs.root() .. "/kltv"
    rl.data.phantom(dir, twin.data)
  end)
  teardown(runs.clean)

  for _, case in ipairs(twin.cases) do
    it("follows its PyTorch twin: " .. case[1], function()
      local got = twin.steps(case, dir)
      for name, losses in pairs(want[case[1]]) do
        -- rounding differs in order only; Adam divides small by small
        assert.is_close(losses, got[name], 1e-8)
      end
    end)
  end

  it("goes on after a cut, in the game's mid-epoch, with the same bits", function()
    local o = { recipe = root .. "/recipes/kltv.lua", set = { "size=32", "ends.steps=5", "batch=2" } }
    assert(runs.train(runs.new("whole", o)))
    runs.train_until(runs.new("cut", o), 2)
    assert(runs.train(runs.resume "cut"))
    assert.equal(runs.weights "whole", runs.weights "cut")
  end)
  it("takes classes as one, and a share of the labels, from the command line", function()
    local r = recipe.load("kltv", { preset = "tiny", set = { "data.merge.sick={chf,pneumonia}",
      "data.labelled.share=0.25" } })
    local run = trial.open(r, { data = dir, seed = 1, quiet = true })
    assert.same({ "normal", "sick" }, run.feed.classes)
    assert.same({ 4, 8 }, run.feed:class_counts "train")
    assert.equal(36, run.feed.counts.unlabelled)
  end)
  it("draws as each network, and by each loss", function()
    local function total(name, set)
      local r = recipe.load(name, { preset = "tiny", set = set })
      local run = trial.open(r, { data = dir, seed = 1, quiet = true })
      return trial.step(run, trial.enter(run, 1)).total
    end
    local seen = {}
    for _, net in ipairs { "u", "pu", "au", "gu", "pau", "pgu", "gau", "appau" } do
      seen[total("kltv_networks", { "net=" .. net })] = true
    end
    for _, loss in ipairs { "tversky", "focal_tversky", "dice_loss", "xe", "xe_tversky" } do
      seen[total("kltv_losses", { "loss=" .. loss })] = true
    end
    local n = 0
    for v in pairs(seen) do n = n + (v == v and 1 or 0) end
    assert.equal(13, n)
    assert.equal(total("kltv", {}), total("kltv_labels", { "data.labelled.share=0.5" }))
    for name, set in pairs { kltv = "mode=semy", kltv_networks = "net=unet" } do
      assert.error_matches(function() total(name, { set }) end, " is one of ")
    end
  end)
end)
