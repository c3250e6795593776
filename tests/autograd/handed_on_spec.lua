-- A sum's gradient goes on to its operands without a copy: whoever adds to it later must not change the
-- others'.
local rl = require "rille"
local wave = require "support.wave"
local leaf = { dtype = "f64", requires_grad = true }

local function grads(sum, before, after)
  local x, r = wave({ 2, 3, 2, 2 }, 1, leaf), wave({ 2, 3, 2, 2 }, 2, leaf)
  local u, w = x * 2, r * 3
  local early = before and (u * u):sum() + (w * w * w):sum() or 0
  local s = sum(u, w)
  local late = after and (u * w):sum() + (w * w):sum() or 0
  return rl.grad((s * s):sum() + early + late, { x, r, u, w, s })
end

local sums = {
  add = function(u, w) return u + w end,
  same = function(u, w) return (u + u) + w end,
  norm_act = function(u, w) return rl.norm_act(u, nil, nil, nil, nil, nil, nil, w, { norm = false }) end,
  norm_act_same = function(u, w)
    return rl.norm_act(u, nil, nil, nil, nil, nil, nil, u, { norm = false }) + w
  end,
}

-- The same made of what is never handed on.
local plain = {
  add = function(u, w) return u * 1 - w * -1 end,
  same = function(u, w) return u * 2 - w * -1 end,
}
plain.norm_act, plain.norm_act_same = plain.add, plain.same

describe("a gradient that is handed on", function()
  for name, sum in pairs(sums) do
    it("stays what it is: " .. name, function()
      for i = 0, 3 do
        local got, want = grads(sum, i & 1 == 1, i & 2 == 2), grads(plain[name], i & 1 == 1, i & 2 == 2)
        for k = 1, 5 do assert.is_close(want[k], got[k], 1e-11) end
      end
    end)
  end
  it("is a leaf's own", function()
    local a, b = rl.ones({ 3 }, leaf), rl.ones({ 3 }, leaf);
    (a + b):sum():backward()
    a.grad:fill_(7)
    assert.is_close({ 1, 1, 1 }, b.grad, 0)
  end)
end)
