-- Two losses, one forward pass, one walk back: do their gradients agree on the shared weights, and
-- who may move them?
local rl = require "rille"
local nn = rl.nn
rl.manual_seed(3)

local trunk = nn.Sequential(nn.Linear(8, 16), nn.Tanh())
local left, right = nn.Linear(16, 1), nn.Linear(16, 1)
local shared = trunk:parameters()

local x = rl.randn { 32, 8 }
local z = trunk(x)
local want = x:sum(-1, { keepdim = true })
local agree = { rl.mse_loss(left(z), want), rl.mse_loss(right(z), want * 2) }
local oppose = { rl.mse_loss(left(z), want), rl.mse_loss(left(z), want * -1) }

local gate = rl.gating.make({ "gradprom", main = "first" }, { "first", "second" })
for name, losses in pairs { ["agreeing tasks"] = agree, ["opposed tasks"] = oppose } do
  local grads = rl.grads(losses, shared, { retain = true })
  local update, record = gate(grads, { losses = { "first", "second" }, main = 1, step = 1, state = {} })
  print(("%s: cosine %+.3f, auxiliary %s, update norm %.4f"):format(name, record.cos,
    record.open > 0 and "admitted" or "kept out", rl.list_norm(update)))
end
