-- Ten f64 steps of every method and mode of MLVICX's recipes, as the runner makes them, follow a PyTorch twin
-- whose losses are kept in tests/golden (tests/twin/mlvicx.py says how to make them again).
local json = require "rille.util.json"
local rl = require "rille"
local root = _G.RILLE_ROOT
local twin = dofile(root .. "/tests/twin/mlvicx.lua")

describe("MLVICX's PyTorch twin", function()
  local dir, want = os.tmpname(), nil
  setup(function()
    os.remove(dir)
    rl.data.phantom(dir, twin.data)
    local f <close> = assert(io.open(root .. "/tests/golden/mlvicx.json"))
    want = json.decode(f:read "a").losses
  end)
  teardown(function() os.execute(("rm -r %q"):format(dir)) end)
  for _, case in ipairs(twin.cases) do
    it("is followed by " .. case[1], function()
      local got = twin.steps(case, dir)
      for n, loss in ipairs(want[case[1]]) do
        -- rounding differs in order only; what it grows to in ten steps, against losses of about 100
        assert.is_close(loss, got[n], 1e-8 * math.max(1, math.abs(loss)))
      end
    end)
  end
end)
