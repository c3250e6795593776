-- Squeeze and excitation (Hu et al. 2018, arXiv:1709.01507): channels weighted by what the whole image says.

local core = require "rille.core"
local check = require "rille.util.check"
local Linear = require("rille.nn.linear").Linear
local Module = require "rille.nn.module"

---y = x * sigmoid(W2 relu(W1 mean(x))), per channel; no biases.
---Shape: N x C x H x W -> the same.
---@class rille.SE: rille.Module
local SE = Module:extend("SE")

---@param channels integer
---@param opts? { reduction: integer } default 16: W1 is channels / 16 x channels
function SE:init(channels, opts)
  local o = check.options("SE", opts, { reduction = 16 })
  local c = check.integer("SE", "channels", channels, 1)
  local narrow = c // check.integer("SE", "reduction", o.reduction, 1)
  if narrow < 1 then error(("SE: reduction = %d leaves nothing of %d channels"):format(o.reduction, c), 3) end
  self.fc1 = Linear(c, narrow, { bias = false })
  self.fc2 = Linear(narrow, c, { bias = false })
end

function SE:forward(x)
  local s = self.fc2(core.relu(self.fc1(core.mean(x, { -2, -1 }))))
  return x * core.sigmoid(s):reshape { x.shape[1], x.shape[2], 1, 1 }
end

SE.keeps_nothing = true

return { SE = SE }
