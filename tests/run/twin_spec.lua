-- Ten f64 steps of every stage of the cooperative recipe, as the runner makes them, follow a PyTorch twin
-- whose losses are kept in tests/golden (tests/twin/cooperative.py says how to make them again).
local json = require "rille.util.json"
local rl = require "rille"
local root = _G.RILLE_ROOT

describe("the cooperative recipe", function()
  it("follows its PyTorch twin", function()
    local twin = dofile(root .. "/tests/twin/cooperative.lua")
    local f <close> = assert(io.open(root .. "/tests/golden/cooperative.json"))
    local want = json.decode(f:read "a").losses
    local dir = os.tmpname()
    os.remove(dir)
    rl.data.phantom(dir, twin.data)
    local got = twin.losses(dir)
    os.execute(("rm -r %q"):format(dir))
    for _, stage in ipairs { "embed", "diagnose", "gaze", "fuse" } do
      -- rounding differs in order only; Adam divides small by small
      assert.is_close(want[stage], got[stage], 1e-8)
    end
  end)
end)
