-- Ten f64 steps of every stage of the cooperative recipes, and of what they are compared with, as the runner
-- makes them, follow a PyTorch twin whose losses are kept in tests/golden (tests/twin/cooperative.py says how
-- to make them again).
local json = require "rille.util.json"
local rl = require "rille"
local root = _G.RILLE_ROOT
local twin = dofile(root .. "/tests/twin/cooperative.lua")

local function golden()
  local f <close> = assert(io.open(root .. "/tests/golden/cooperative.json"))
  return json.decode(f:read "a").f64
end

describe("the PyTorch twin", function()
  local dir = os.tmpname()
  local want = golden()

  setup(function()
    os.remove(dir)
    rl.data.phantom(dir, twin.data.tiny)
  end)
  teardown(function() os.execute(("rm -r %q"):format(dir)) end)

  for _, case in ipairs(twin.cases) do
    it("is followed by " .. case[1], function()
      local got = twin.tiny(case, dir)
      for stage, losses in pairs(want[case[1]]) do
        -- rounding differs in order only; Adam divides small by small
        assert.is_close(losses, got[stage], 1e-8)
      end
    end)
  end
end)
