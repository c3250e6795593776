-- The recipes in miniature: every method of the joint training does a step of every stage.
local rl = require "rille"
local recipe = require "rille.run.recipe"
local trial = require "rille.run.trial"

describe("the joint recipe", function()
  local dir = os.tmpname()
  os.remove(dir)
  setup(function() rl.data.phantom(dir, { train = 8, val = 4, test = 4, size = 64, seed = 5 }) end)
  teardown(function() os.execute(("rm -r %q"):format(dir)) end)
  for _, method in ipairs { "uncertainty", "equal", "gradprom" } do
    it("trains with method " .. method, function()
      local r = recipe.load("cooperative_joint", { preset = "tiny", set = { "method=" .. method } })
      local run = trial.open(r, { data = dir, seed = 1, quiet = true })
      local result = trial.step(run, trial.enter(run, 1))
      assert.is_true(result.total == result.total and result.norm > 0)
      assert.are.equal(method ~= "uncertainty", result.record ~= nil and result.record.cos ~= nil)
    end)
  end
end)
