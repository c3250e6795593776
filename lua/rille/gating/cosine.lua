-- cosine: auxiliary gradients weighed by, or admitted for, their agreement with the main one.
-- Source: arXiv:1812.02224.

local asymmetric = require "rille.gating.asymmetric"
local options = require "rille.gating.options"

local specs = { weighted = false, floor = { 0, -1, 1 }, scope = { any = "all" }, params = { any = "*" },
  layers = true }

---Make a gate that follows the auxiliary gradients only while they agree with the main one.
---
---Update: weighted: grads[main] + sum of max(0, s_k) grads[k]; unweighted: + grads[k] where s_k > floor.
---        s_k is the cosine of grads[main] and grads[k] over the parameters that both reach; a parameter that
---        the main loss does not reach gets every other gradient whole.
---Shape:  grads[k][i] and update[i]: as parameter i. Cosines in f64; nothing is flattened.
---Units:  the cosine has none; it lies in [-1, 1], and is 0 if either norm is 0.
---Record: as gradprom's, with lambda = 1.
---Raises: "gating.cosine: ..." without a main loss, or when a gradient is not finite.
---Source: Du et al. 2018, arXiv:1812.02224.
---@param opts? { weighted: boolean, floor: number, scope: string|table, params: string, layers: boolean }
---  default
---  false, 0, "all", "*", true
---@return table gate
return function(opts)
  local o = options("gating.cosine", opts, specs)
  local function admit(s)
    if o.weighted then return math.max(0, s) end
    return s > o.floor and 1 or 0
  end
  return asymmetric { who = "gating.cosine", admit = admit, lambda = 1, reading = "each", scope = o.scope,
    params = o.params, layers = o.layers }
end
