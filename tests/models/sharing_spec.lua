-- Bodies that tasks share: shapes, who moves what, and what stands in place of each exchange at the start.
local rl = require "rille"

local function make(name, tasks)
  rl.manual_seed(2)
  return rl.models[name] { channels = 1, widths = { 2, 3, 4 }, tasks = tasks }
end

describe("a shared body", function()
  for _, name in ipairs { "HardSharing", "CrossStitch", "MMoE", "MTAN" } do
    it("gives each task a map at a quarter of the size, and learns from each: " .. name, function()
      local m, x = make(name, 3), rl.randn { 2, 1, 16, 8 }
      local maps = m(x)
      assert.equal(3, #maps)
      local list, params = {}, {}
      for t, z in ipairs(maps) do
        assert.same({ 2, 4, 4, 2 }, z.shape)
        list[t] = z:square():mean()
      end
      for _, p in ipairs(m:named_parameters()) do params[#params + 1] = p.tensor end
      local gram = rl.grads_gram(list, params)
      local shared, own = 0, 0
      for _, g in ipairs(gram) do
        local n = (g[1] > 0 and 1 or 0) + (g[5] > 0 and 1 or 0) + (g[9] > 0 and 1 or 0)
        shared, own = shared + (n > 1 and 1 or 0), own + (n == 1 and 1 or 0)
      end
      assert.truthy(shared > 0)
      assert.equal(name ~= "HardSharing" and name ~= "CrossStitch", own > 0)
    end)
  end
  it("is stitched from 0.9 of each task's own and 0.1 of the others", function()
    local a = make("CrossStitch", 3).stitch1
    assert.is_close({ { 0.9, 0.05, 0.05 }, { 0.05, 0.9, 0.05 }, { 0.05, 0.05, 0.9 } }, a)
    assert.is_true(a.requires_grad)
  end)
end)
