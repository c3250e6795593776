-- projection: an auxiliary gradient loses what points against the main one. Source: arXiv:1812.02224 and its
-- variants.

local asymmetric = require "rille.gating.asymmetric"
local options = require "rille.gating.options"

local specs = { lambda = { any = 1 }, scope = { any = "all" }, params = { any = "*" }, layers = true }

---Make the gate.
---
---Update: grads[main] + sum of lambda_k p_k, p_k = grads[k] where its cosine with the main one is >= 0, else
---        grads[k] - <grads[k], grads[main]> / |grads[main]|^2 grads[main]. A parameter that the main loss
---        does not reach gets every other gradient whole. Unlike PCGrad it leaves the main gradient as it is.
---Record: as gradprom's; open is the share of auxiliaries that were not cut.
---@param opts? { lambda: number|table<string, number>, scope: string|table, params: string, layers: boolean }
---  default
---  1, "all", "*", true
---@return table gate
return function(opts)
  local o = options("gating.projection", opts, specs)
  local function admit(s, seen)
    if s >= 0 then return 1 end
    return 1, -seen.dot / seen.norm_main ^ 2
  end
  o.who, o.admit, o.reading = "gating.projection", admit, "each"
  return asymmetric(o)
end
