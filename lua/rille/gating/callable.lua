-- A gate whose weights per parameter follow from measured inner products: callable as gate(grads, ctx), and
-- with gate.weigh(m, ctx) -> weights[i][k], record for walks that keep no gradient per loss.

local core = require "rille.core"
local measure = require "rille.gating.measure"

---@param who string "gating.NAME"
---@param weigh fun(m: table, ctx: table): number[][], table
---@return table gate
return function(who, weigh)
  return setmetatable({ who = who, weigh = weigh }, { __call = function(_, grads, ctx)
    local weights, record = weigh(measure.take(who, grads, ctx), ctx)
    return core.combine(grads, weights), record
  end })
end
