-- COSMOS: a preferred mixture of the losses, and a pull of their vector towards it. Source: arXiv:2103.13392.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local scaled = require "rille.gating.scaled"

---Make the gate.
---
---Loss:   sum of r_k L_k - lambda cos(r, L). r: `preference` by name, or, without it, drawn anew at each step
---        from the
---        Dirichlet distribution with all parameters alpha (the paper also shows r to the network; a recipe
---        can).
---State:  preference[NAME], that of the last step.
---Source: Ruchte and Grabocka 2021, arXiv:2103.13392.
---@param opts? { lambda: number, alpha: number, preference: table<string, number> } default 1, 1; and those
---  of
---  gating/scaled.lua
---@return table gate
return function(opts)
  local specs = { lambda = { 1, 0 }, alpha = { 1, 1e-2 }, preference = { any = "drawn" } }
  return scaled("gating.cosmos", opts, specs, function(o)
    return function(L, view)
      local r = type(o.preference) == "table" and numbers.preference(o.preference, view.names, 0)
        or numbers.dirichlet(view.random(), #L, o.alpha)
      local rr, LL, rL, w = linear.dot(r, r) ^ 0.5, linear.dot(L, L) ^ 0.5, linear.dot(r, L), {}
      view.state.preference = {}
      for k, name in ipairs(view.names) do
        local slope = LL > 0 and r[k] / (rr * LL) - rL * L[k] / (rr * LL ^ 3) or 0
        w[k] = r[k] - o.lambda * slope
        view.state.preference[name] = r[k]
      end
      return w
    end
  end)
end
