-- An op written in Lua, with its own gradient, checked by finite differences.
local rl = require "rille"
local gradcheck = require "rille.testing.gradcheck"

-- A step that lets gradients through as if it were the identity (Bengio et al., arXiv 1308.3432).
local step = rl.custom {
  name = "step",
  forward = function(_, x) return x:gt(0):to(x.dtype) end,
  backward = function(_, dy) return dy end,
}

local x = rl.tensor({ -2, -0.5, 0.5, 2 }, { requires_grad = true })
local y = step(x)
print("forward", table.concat(y:tolist(), " "))
y:sum():backward()
print("gradient passed straight through", table.concat(x.grad:tolist(), " "))

-- One whose gradient is the true one: x * sigmoid(x).
local swish = rl.custom {
  name = "swish",
  forward = function(ctx, v)
    local s = v:sigmoid()
    ctx:save(v, s)
    return v * s
  end,
  backward = function(ctx, dy)
    local v, s = ctx:saved()
    return dy * (s + v * s * (1 - s))
  end,
}
gradcheck(swish, { rl.randn({ 3, 4 }, { dtype = "f64" }) })
print("swish: its gradient agrees with finite differences")
