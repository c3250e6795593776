-- Adam (Kingma and Ba 2015, arXiv:1412.6980) and AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).

local core = require "rille.core"
local check = require "rille.util.check"
local class = require "rille.util.class"
local Optimiser = require "rille.optim.optimiser"

-- p -= lr m' / (sqrt(v) / sqrt(1 - b2^t) + eps), m' = m / (1 - b1^t); eps stands outside the root,
-- as in PyTorch.
local function adam(name, weight_decay, decoupled)
  local Adam = class.new(name, Optimiser)
  Adam.keeps_nothing = true
  Adam.moments = { "exp_avg", "exp_avg_sq" }

  local defaults = {
    lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = weight_decay, groups = check.none,
  }

  ---@param params rille.Tensor[]|{ name: string, tensor: rille.Tensor }[]
  ---@param opts? { lr: number, betas: number[], eps: number, weight_decay: number, groups: table[] }
  ---  groups: { match = "encoder.", lr_scale = 0.1, weight_decay = 0 }, the first that takes a name counts
  function Adam:init(params, opts)
    local o = check.options(name, opts, defaults)
    self:start(name, params, o)
    self.betas = { check.number(name, "betas[1]", o.betas[1], 0, 1),
      check.number(name, "betas[2]", o.betas[2], 0, 1) }
    self.eps = check.number(name, "eps", o.eps, 0)
  end

  function Adam:describe(o)
    o.beta1, o.beta2, o.eps, o.decoupled = self.betas[1], self.betas[2], self.eps, decoupled
  end

  function Adam:move(b, grads) -- luacheck: ignore self
    return core.adam_step(b.params, grads, b.exp_avg, b.exp_avg_sq, b.numbers)
  end

  return Adam
end

---weight_decay enters the gradient in Adam (default 0), the parameter itself in AdamW (default 0.01).
return { Adam = adam("Adam", 0, false), AdamW = adam("AdamW", 0.01, true) }
