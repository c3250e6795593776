-- none: joint training, every loss moves all it reaches.

local callable = require "rille.gating.callable"
local linear = require "rille.gating.linear"
local options = require "rille.gating.options"
local telemetry = require "rille.gating.telemetry"

---Make the gate that adds all gradients.
---
---Update: sum over k of grads[k].
---Record: cosines and norms over the parameters that both losses of a pair reach; of two losses the first, or
---        the main one, is norm_main.
---@param opts? { layers: boolean } record per layer, default true
---@return table gate
return function(opts)
  local o = options("gating.none", opts, { layers = true })
  return callable("gating.none", function(m, ctx)
    return linear.full(#m.gram, linear.full(m.K, 1)), telemetry.write({ open = 1 }, m, ctx, o.layers)
  end)
end
