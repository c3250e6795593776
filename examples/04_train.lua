-- A small network learns to tell two spirals apart: module, optimiser, loss, accuracy.
local rl = require "rille"
local nn = rl.nn
rl.manual_seed(5)

local n = 100
local angle = rl.linspace(0, 3 * math.pi, n)
local points, labels = {}, {}
for class = 1, 2 do
  for i = 1, n do
    local a = angle[i]:item()
    local r, turn = a / 10, class == 1 and 0 or math.pi
    points[#points + 1] = { r * math.cos(a + turn), r * math.sin(a + turn) }
    labels[#labels + 1] = class -- labels count from 1
  end
end
local x, y = rl.tensor(points), rl.tensor(labels, { dtype = "i64" })

local net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
print(net)
local adam = rl.optim.Adam(net:parameters(), { lr = 0.01 })

local accuracy
for step = 1, 600 do
  local logits = net(x)
  local loss = rl.cross_entropy(logits, y)
  adam:zero_grad()
  loss:backward()
  adam:step()
  if step % 100 == 0 then
    accuracy = logits:argmax(-1):eq(y):float():mean():item()
    print(("step %3d  loss %.4f  accuracy %.3f"):format(step, loss:item(), accuracy))
  end
end
assert(accuracy > 0.9)
