-- Gradients: fit a line to noisy points by following them.
local rl = require "rille"
rl.manual_seed(1)

local x = rl.rand { 64 }
local y = x * 3 - 1 + rl.randn { 64 } * 0.05

local slope = rl.tensor({ 0 }, { requires_grad = true })
local offset = rl.tensor({ 0 }, { requires_grad = true })

for step = 1, 200 do
  local loss = ((x * slope + offset - y) ^ 2):mean()
  local g = rl.grad(loss, { slope, offset })
  rl.no_grad(function()
    slope:add_(g[1], -0.5)
    offset:add_(g[2], -0.5)
  end)
  if step % 50 == 0 then print(("step %3d  loss %.5f"):format(step, loss:item())) end
end
print(("y = %.2f x %+.2f"):format(slope:item(), offset:item()))
assert(math.abs(slope:item() - 3) < 0.1 and math.abs(offset:item() + 1) < 0.1)
