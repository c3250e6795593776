-- Every example runs, prints something and raises nothing.
local root = _G.RILLE_ROOT

describe("examples", function()
  for name in io.popen(("cd %q && ls *.lua"):format(root .. "/examples")):lines() do
    it(name, function()
      local lines, plain = 0, print
      _G.print = function() lines = lines + 1 end
      local ok, message = pcall(dofile, root .. "/examples/" .. name)
      _G.print = plain
      assert(ok, message)
      assert.is_true(lines > 0)
    end)
  end
end)
