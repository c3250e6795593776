-- Fixed weights of the losses.

local numbers = require "rille.gating.numbers"
local scaled = require "rille.gating.scaled"

---Make the gate: the weighted sum of the losses, in one walk back.
---
---Update: sum of w_k grads[k], also where one loss alone reaches.
---@param opts? { weights: table<string, number> } default 1 each; and those of gating/scaled.lua
---@return table gate
return function(opts)
  return scaled("gating.equal", opts, { weights = { any = "equal" } }, function(o)
    return function(_, view) return numbers.preference(o.weights, view.names, 1) end
  end)
end
