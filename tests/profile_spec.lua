local rl = require "rille"
local nn = rl.nn

local function find(rows, op, path, back)
  for _, r in ipairs(rows) do
    if r.op == op and r.path == path and r.back == back then return r end
  end
end

describe("rl.profile", function()
  it("counts calls, bytes and operations by op and layer, forward and backward apart", function()
    local net = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    local x = rl.randn { 5, 3 }
    local p, y = rl.profile(function()
      local out
      for _ = 1, 3 do
        out = net(x)
        out:sum():backward()
      end
      return out
    end)
    assert.same({ 5, 4 }, y.shape)
    local forward, back = find(p.rows, "linear", "0", false), find(p.rows, "linear", "0", true)
    assert.same({ 3, 3 }, { forward.calls, back.calls })
    assert.same({ 3 * 4 * (15 + 12 + 4 + 20), 3 * 2 * 5 * 3 * 4 }, { forward.bytes, forward.flops })
    assert.equal(3 * 2 * 5 * 3 * 4, back.flops) -- of the weight alone: x wants no gradient
    assert.truthy(find(p.rows, "tanh", "1", true) and find(p.rows, "sum", "", false))
  end)
  it("adds rows up, the slowest first, and leaves nothing out of the whole", function()
    local p = rl.profile(function() return rl.ones({ 64, 64 }):matmul(rl.ones { 64, 64 }):sum():item() end)
    local sum, before = 0, math.huge
    for _, r in ipairs(p:by "both") do
      assert.truthy(r.s <= before)
      sum, before = sum + r.s, r.s
    end
    assert.truthy(sum > 0 and sum <= p.s)
    assert.truthy(tostring(p):find("matmul", 1, true) and p:text("layer"):find("(no layer)", 1, true))
    assert.error_matches(function() p:by "colour" end, 'profile: by is "op", "layer" or "both"')
  end)
  it("does not count an op's own calls twice, and stops where f raises", function()
    local double = rl.custom { name = "double", forward = function(_, x) return x * 2 end,
      backward = function(_, g) return g * 2 end }
    local p = rl.profile(function() double(rl.ones({ 3 }, { requires_grad = true })):sum():backward() end)
    local sum = 0
    for _, r in ipairs(p.rows) do sum = sum + r.s end
    assert.truthy(sum <= p.s)
    assert.error_matches(function() rl.profile(function() error("mine", 0) end) end, "mine")
    rl.ones { 2 }:sum()
    assert.same({}, rl.profile(function() end).rows)
  end)
end)
