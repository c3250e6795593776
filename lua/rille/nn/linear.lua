-- Linear: y = x W' + b.

local core = require "rille.core"
local check = require "rille.util.check"
local init = require "rille.nn.initial"
local Module = require "rille.nn.module"

---A fully connected layer.
---
---Shape:  ... x in_features -> ... x out_features.
---Start:  weight (out, in) and bias uniform in +-1 / sqrt(in_features), as in PyTorch.
---@class rille.Linear: rille.Module
local Linear = Module:extend("Linear")

---@param in_features integer
---@param out_features integer
---@param opts? { bias: boolean } default true
function Linear:init(in_features, out_features, opts)
  local o = check.options("Linear", opts, { bias = true })
  local i = check.integer("Linear", "in_features", in_features, 1)
  local n = check.integer("Linear", "out_features", out_features, 1)
  check.boolean("Linear", "bias", o.bias)
  local bound = 1 / i ^ 0.5
  self.weight = init.parameter({ n, i }, bound)
  if o.bias then self.bias = init.parameter({ n }, bound) end
end

function Linear:forward(x) return core.linear(x, self.weight, self.bias) end

function Linear:describe()
  local w = self.weight.shape
  return w[2] .. ", " .. w[1]
end

Linear.keeps_nothing, Linear.fusable = true, "linear"

return { Linear = Linear }
