-- LARS (You, Gitman, Ginsburg 2017, arXiv:1708.03888), as VICReg (arXiv:2105.04906) trains with it.

local core = require "rille.core"
local check = require "rille.util.check"
local class = require "rille.util.class"
local Optimiser = require "rille.optim.optimiser"

local LARS = class.new("LARS", Optimiser)
LARS.keeps_nothing = true

LARS.moments = { "momentum_buffer" }

local defaults = { lr = 0.2, momentum = 0.9, weight_decay = 1e-6, eta = 1e-3, groups = check.none }

---In tensors of two dims and more, with |.| the norm over the tensor: g = g + weight_decay p, then
---g = eta |p| / |g| g (where neither norm is 0). Biases and norms, which have one dim, take g as it is. Then
---momentum: b = momentum b + g, p = p - lr b.
---@param params rille.Tensor[]|{ name: string, tensor: rille.Tensor }[]
---@param opts? { lr: number, momentum: number, weight_decay: number, eta: number, groups: table[] } default
---  0.2, 0.9, 1e-6, 1e-3; groups: { match = "encoder.", lr_scale = 0.1, weight_decay = 0 }
function LARS:init(params, opts)
  local o = check.options("LARS", opts, defaults)
  self:start("LARS", params, o)
  self.momentum = check.number("LARS", "momentum", o.momentum, 0, 1)
  self.eta = check.number("LARS", "eta", o.eta, 0)
end

function LARS:describe(o) o.momentum, o.eta = self.momentum, self.eta end

function LARS:move(b, grads) -- luacheck: ignore self
  local norm = core.lars_step(b.params, grads, b.momentum_buffer, b.numbers)
  return b.numbers.clip and norm or nil
end

return LARS
