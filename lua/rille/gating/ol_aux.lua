-- OL-AUX: weights of the auxiliaries learnt on line from their products with the main gradient. Source: Lin
-- et al.,
-- NeurIPS 2019.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local weighted = require "rille.gating.weighted"

---Make the gate.
---
---Update: grads[main] + sum of w_k grads[k]; every `every` steps w_k <- w_k + beta * the sum over these steps
---        of
---        <grads[main], grads[k]> (OL-AUX-N). The products have the gradients' units: choose beta by their
---        size, or normalise = true for cosines.
---State:  w[NAME], from `start`; products[NAME], steps.
---Source: Lin et al. 2019, Adaptive Auxiliary Task Weighting for Reinforcement Learning.
---@param opts? { beta: number, every: integer, start: number, normalise: boolean } default 1, 5, 1, false;
---  and those
---  of gating/weighted.lua
---@return table gate
return function(opts)
  local specs = { beta = { 1, 0 }, every = { 5, 1 }, start = { 1 }, normalise = false }
  return weighted("gating.ol_aux", opts, specs, function(o)
    return function(M, view)
      local state, main = view.state, view.main
      local kept = numbers.of(state, "w", view.names, o.start)
      local sums, w = numbers.of(state, "products", view.names, 0), linear.full(#M, 1)
      for a, name in ipairs(view.names) do
        if a ~= main then
          local scale = o.normalise and main and (M[a][a] * M[main][main]) ^ 0.5 or 1
          w[a] = kept[name]
          sums[name] = sums[name] + (main and M[a][main] / scale or 0)
        end
      end
      state.steps = (state.steps or 0) + 1
      if state.steps % o.every == 0 then
        for name, sum in pairs(sums) do kept[name], sums[name] = kept[name] + o.beta * sum, 0 end
      end
      return w
    end
  end, true)
end
