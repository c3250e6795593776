-- PCGrad: conflicting gradients lose the parts that point against each other. Source: arXiv:2001.06782.

local linear = require "rille.gating.linear"
local weighted = require "rille.gating.weighted"

---Places 1..K in a drawn order, or as they stand.
local function order_of(K, draw)
  local order = {}
  for k = 1, K do order[k] = k end
  for k = K, 2, -1 do
    local j = draw and draw(k) or k
    order[k], order[j] = order[j], order[k]
  end
  return order
end

-- Weights of the original gradients after projecting gradient i on the others, one after another.
local function project(M, i, order)
  local c, cuts = linear.full(#M, 0), 0
  c[i] = 1
  for _, j in ipairs(order) do
    local dot = linear.dot(c, M[j])
    if j ~= i and dot < 0 then
      c[j], cuts = c[j] - dot / M[j][j], cuts + 1
    end
  end
  return c, cuts
end

local function rule(M, draw)
  local total, extra, pairs_ = linear.full(#M, 0), { cuts = 0, conflicts = 0 }, #M * (#M - 1) / 2
  for i = 1, #M do
    local c, cuts = project(M, i, order_of(#M, draw))
    extra.cuts = extra.cuts + cuts
    for k = 1, #M do
      total[k] = total[k] + c[k]
      if k < i and M[i][k] < 0 then extra.conflicts = extra.conflicts + 1 / pairs_ end
    end
  end
  return total, extra
end

---Make the gate.
---
---Update: for each loss i, its gradient g loses its component along every other g_j, in turn, where
---        <g, g_j> < 0 (g_j as it was, j = i left out); the sum over i.
---Record: cuts (projections made), conflicts (share of pairs with a negative product), weight_NAME.
---Source: Yu et al. 2020, arXiv:2001.06782. The order is random by step: option order = "given" keeps that
---        of names.
---@param opts? { order: "random"|"given" } and those of gating/weighted.lua
---@return table gate
return function(opts)
  return weighted("gating.pcgrad", opts, { order = { "random", "given" } }, function(o)
    return function(M, view) return rule(M, o.order == "random" and view.random() or nil) end
  end)
end
