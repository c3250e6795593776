-- SGD with momentum: b = momentum b + (1 - dampening) g, the first b is g; Nesterov steps along
-- g + momentum b.

local core = require "rille.core"
local check = require "rille.util.check"
local class = require "rille.util.class"
local Optimiser = require "rille.optim.optimiser"

local SGD = class.new("SGD", Optimiser)
SGD.keeps_nothing = true

local defaults = {
  lr = 1e-3, momentum = 0, dampening = 0, nesterov = false, weight_decay = 0, groups = check.none,
}

---@param params rille.Tensor[]|{ name: string, tensor: rille.Tensor }[]
---@param opts? { lr: number, momentum: number, dampening: number, nesterov: boolean, weight_decay: number }
---  groups: { match = "encoder.", lr_scale = 0.1, weight_decay = 0 }, the first that takes a name counts
function SGD:init(params, opts)
  local o = check.options("SGD", opts, defaults)
  self:start("SGD", params, o)
  self.momentum = check.number("SGD", "momentum", o.momentum, 0)
  self.dampening = check.number("SGD", "dampening", o.dampening, 0)
  self.nesterov = check.boolean("SGD", "nesterov", o.nesterov)
  if o.nesterov and (o.momentum == 0 or o.dampening ~= 0) then
    error("SGD: nesterov needs a momentum and no dampening", 3)
  end
  self.moments = o.momentum ~= 0 and { "momentum_buffer" } or {}
end

function SGD:describe(o)
  o.momentum, o.dampening, o.nesterov = self.momentum, self.dampening, self.nesterov
end

function SGD:move(b, grads) -- luacheck: ignore self
  b.numbers.first = b.numbers.step == 1
  return core.sgd_step(b.params, grads, b.momentum_buffer, b.numbers)
end

return SGD
