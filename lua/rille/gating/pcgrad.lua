-- PCGrad: conflicting gradients lose the parts that point against each other. Source: arXiv:2001.06782.

local core = require "rille.core"
local check = require "rille.util.check"
local measure = require "rille.gating.measure"
local random = require "rille.util.random"

-- K x K inner products over the parameters that two losses or more reach.
local function shared_gram(m)
  local M, K = {}, m.K
  for k = 1, K do M[k] = {} end
  for k = 1, K do
    for l = 1, K do
      local sum = 0
      for i, products in ipairs(m.gram) do
        if m.shared[i] > 1 then sum = sum + products[(k - 1) * K + l] end
      end
      M[k][l] = sum
    end
  end
  return M
end

local function order_of(K, draw)
  local order = {}
  for k = 1, K do order[k] = k end
  if draw then
    for k = K, 2, -1 do
      local j = draw(k)
      order[k], order[j] = order[j], order[k]
    end
  end
  return order
end

-- Weights of the original gradients after projecting gradient i on the others, one after another.
local function project(M, i, order)
  local c, cuts = {}, 0
  for k = 1, #M do c[k] = k == i and 1 or 0 end
  for _, j in ipairs(order) do
    local dot = 0
    for k = 1, #M do dot = dot + c[k] * M[k][j] end
    if j ~= i and dot < 0 then
      c[j], cuts = c[j] - dot / M[j][j], cuts + 1
    end
  end
  return c, cuts
end

local function weights_per_tensor(m, total)
  local ones, w = {}, {}
  for k = 1, m.K do ones[k] = 1 end
  for i = 1, #m.gram do w[i] = m.shared[i] > 1 and total or ones end
  return w
end

---Make the gate.
---
---Update: for each loss i, its gradient g loses its component along every other g_j, in turn, where
---        <g, g_j> < 0 (g_j as it was); the sum over i. Computed in weights of the original gradients, from
---        their inner products in f64. Parameters that one loss alone reaches get its gradient whole.
---Record: cuts (projections made), conflicts (share of pairs with a negative product); with two losses cos
---        and norms.
---Source: Yu et al. 2020, arXiv:2001.06782. The order is random by step: option order = "given" keeps that
---        of names.
---@param opts? { order: string, seed: integer, layers: boolean } default "random", 0, true
---@return fun(grads: rille.Tensor[][], ctx: table): rille.Tensor[], table update; record
return function(opts)
  local who = "gating.pcgrad"
  local o = check.options(who, opts, { order = "random", seed = 0, layers = true })
  check.word(who, "order", o.order, { "random", "given" })
  check.integer(who, "seed", o.seed)
  return function(grads, ctx)
    local m = measure.take(who, grads, ctx)
    local M, total, cuts, conflicts = shared_gram(m), {}, 0, 0
    local draw = o.order == "random" and random(o.seed * 1000003 + (ctx.step or 0))
    for k = 1, m.K do total[k] = 0 end
    for i = 1, m.K do
      local c, n = project(M, i, order_of(m.K, draw))
      cuts = cuts + n
      for k = 1, m.K do
        total[k] = total[k] + c[k]
        conflicts = conflicts + (k < i and M[i][k] < 0 and 1 or 0)
      end
    end
    local record = { cuts = cuts, conflicts = m.K > 1 and conflicts / (m.K * (m.K - 1) / 2) or 0 }
    if m.K == 2 then
      local r = measure.against(m, 1, { [2] = 1 })
      record.cos, record.norm_main, record.norm_aux = r.cos, r.norm_main, r.norm_aux
      if o.layers then measure.log_layers(record, m, 1, { [2] = 1 }) end
    end
    return core.combine(grads, weights_per_tensor(m, total)), record
  end
end
