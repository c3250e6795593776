-- PReLU (He et al. 2015, arXiv:1502.01852): a ReLU whose negative side has a slope that is learnt.

local core = require "rille.core"
local check = require "rille.util.check"
local Module = require "rille.nn.module"

---y = x where x > 0, weight * x elsewhere; one slope for all channels, or one per channel (dim 2).
---@class rille.PReLU: rille.Module
local PReLU = Module:extend("PReLU")

---@param num_parameters? integer 1 (default) or the number of channels
---@param opts? { init: number } the first slope, default 0.25
function PReLU:init(num_parameters, opts)
  local o = check.options("PReLU", opts, { init = 0.25 })
  local n = check.integer("PReLU", "num_parameters", num_parameters or 1, 1)
  check.number("PReLU", "init", o.init, -1e6, 1e6)
  self.weight = core.full({ n }, o.init, { requires_grad = true })
end

function PReLU:forward(x) return core.prelu(x, self.weight) end

-- What rl.prelu takes as its weight, here and in chains.
function PReLU:slope_for() return self.weight end

function PReLU:describe() return tostring(self.weight:numel()) end

PReLU.keeps_nothing, PReLU.fusable = true, "prelu"

return { PReLU = PReLU }
