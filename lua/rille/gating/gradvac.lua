-- GradVac: gradients are turned until each pair's cosine reaches what it usually is. Source:
--          arXiv:2010.05874.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local weighted = require "rille.gating.weighted"

local function root(v) return math.max(v, 0) ^ 0.5 end

-- How much of g_j is added to the gradient c so that their cosine rises from s to f.
local function dose(norm, norm_j, s, f)
  local f1 = root(1 - f * f)
  return norm * (f * root(1 - s * s) - s * f1) / (norm_j * f1)
end

-- One gradient against the others; targets[i .. j] move on with the cosines seen.
local function vaccinate(M, i, others, targets, names, beta)
  local c = linear.full(#M, 0)
  c[i] = 1
  for _, j in ipairs(others) do
    local norm, norm_j = root(linear.dot(c, linear.times(M, c))), M[j][j] ^ 0.5
    local pair = names[i] .. "/" .. names[j]
    local s = norm > 0 and math.max(-1, math.min(1, linear.dot(c, M[j]) / (norm * norm_j))) or 0
    local f = targets[pair] or 0
    if s < f and norm > 0 and f < 1 then c[j] = c[j] + dose(norm, norm_j, s, f) end
    targets[pair] = (1 - beta) * f + beta * s
  end
  return c
end

local function others_of(K, i, draw)
  local list = {}
  for k = 1, K do
    if k ~= i then list[#list + 1] = k end
  end
  for k = #list, 2, -1 do
    local j = draw and draw(k) or k
    list[k], list[j] = list[j], list[k]
  end
  return list
end

---Make the gate.
---
---Update: for each loss i and every other j in turn, s = cos(g, g_j) of the gradient as it is by now; where s
---        < f_ij, g gets so much of g_j that the cosine becomes f_ij; then f_ij <- (1 - beta) f_ij + beta s.
---        The sum over i.
---        With beta = 0 it is PCGrad.
---State:  targets["A/B"], from 0.
---Source: Wang et al. 2021, arXiv:2010.05874.
---@param opts? { beta: number, order: "random"|"given" } default 0.5; and those of gating/weighted.lua
---@return table gate
return function(opts)
  local specs = { beta = { 0.5, 0, 1 }, order = { "random", "given" } }
  return weighted("gating.gradvac", opts, specs, function(o)
    return function(M, view)
      local targets = numbers.of(view.state, "targets", {}, 0)
      local draw, total = o.order == "random" and view.random() or nil, linear.full(#M, 0)
      for i = 1, #M do
        local c = vaccinate(M, i, others_of(#M, i, draw), targets, view.names, o.beta)
        for k = 1, #M do total[k] = total[k] + c[k] end
      end
      return total
    end
  end)
end
