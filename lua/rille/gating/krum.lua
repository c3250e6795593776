-- Krum: the gradients that lie nearest to the others. Source: Blanchard et al., NeurIPS 2017.

local linear = require "rille.gating.linear"
local weighted = require "rille.gating.weighted"

-- Sum of the (squared) distances of gradient i to its n nearest.
local function score(M, i, n, squared)
  local far, sum = {}, 0
  for j = 1, #M do
    local d = math.max(M[i][i] + M[j][j] - 2 * M[i][j], 0)
    if j ~= i then far[#far + 1] = squared and d or d ^ 0.5 end
  end
  table.sort(far)
  for r = 1, n do sum = sum + far[r] end
  return sum
end

---Make the gate.
---
---Update: the mean of the `selected` gradients whose summed squared distances to their K - faulty - 2 nearest
---        are smallest (squared = false: plain distances); of equal ones the first by name.
---Raises: when fewer than faulty + 3 losses have a gradient.
---Source: Blanchard et al. 2017, Machine Learning with Adversaries.
---@param opts? { faulty: integer, selected: integer, squared: boolean } default 0, 1, true; and those of
---  gating/weighted.lua
---@return table gate
return function(opts)
  local specs = { faulty = { 0, 0 }, selected = { 1, 1 }, squared = true }
  return weighted("gating.krum", opts, specs, function(o)
    return function(M)
      local nearest, order, scores = #M - o.faulty - 2, {}, {}
      if nearest < 1 or o.selected > #M then
        local text = "gating.krum: %d losses with a gradient; faulty = %d needs %d, selected = %d as many"
        error(text:format(#M, o.faulty, o.faulty + 3, o.selected), 0)
      end
      for i = 1, #M do order[i], scores[i] = i, score(M, i, nearest, o.squared) end
      table.sort(order, function(a, b)
        if scores[a] ~= scores[b] then return scores[a] < scores[b] end
        return a < b
      end)
      local w = linear.full(#M, 0)
      for r = 1, o.selected do w[order[r]] = 1 / o.selected end
      return w
    end
  end)
end
