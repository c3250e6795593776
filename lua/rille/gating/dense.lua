-- Rules that need the gradients themselves, not only their products. A parameter that one loss alone reaches
-- gets that gradient whole.

local core = require "rille.core"
local linear = require "rille.gating.linear"
local measure = require "rille.gating.measure"
local options = require "rille.gating.options"
local telemetry = require "rille.gating.telemetry"

local COMMON = { scope = { any = "all" }, params = { any = "*" }, layers = true }

-- The unit's shared parameters, and the losses that have a gradient there.
local function choose(m, grads, ctx, unit)
  local view = { names = {}, place = {}, at = {}, state = measure.state(ctx, unit.name), step = ctx.step or 0,
    values = {} }
  local lists = {}
  for _, i in ipairs(unit.members) do
    if m.shared[i] > 1 then view.at[#view.at + 1] = i end
  end
  for k, name in ipairs(ctx.losses) do
    local list, any = {}, false
    for s, i in ipairs(view.at) do list[s], any = grads[k][i], any or m.reached[i][k] end
    if any then
      table.insert(lists, list)
      table.insert(view.names, name)
      table.insert(view.place, k)
      table.insert(view.values, ctx.values and ctx.values[k] or false)
    end
  end
  return lists, view
end

---A gate from a rule.
---
---make(o) gives rule(G, view) -> update, extra, own: G[k][s] the gradients of those losses that have one
---here, in the parameters that two losses or more reach; update[s]; extra numbers for the record; own[k]
---(optional) weights of
---loss k where it alone reaches. view: names, values, state (kept; tensors in it are saved, too), step.
---Options of all such gates: scope, params, layers as in gating/weighted.lua.
---@param who string
---@param opts? table
---@param specs table<string, any>
---@param make fun(o: table): function
---@return table gate
return function(who, opts, specs, make)
  local o = options(who, opts, specs, COMMON)
  measure.check_scope(who, o.scope)
  local rule = make(o)
  return setmetatable({ who = who }, { __call = function(_, grads, ctx)
    local m = measure.take(who, grads, ctx)
    local own, record, done = linear.full(m.K, 1), {}, {}
    for _, unit in ipairs(measure.units(m, o.scope, o.params)) do
      local G, view = choose(m, grads, ctx, unit)
      if #G > 1 then
        local update, extra, weights = rule(G, view)
        for s, i in ipairs(view.at) do done[i] = update[s] end
        for key, v in pairs(extra or {}) do record[key] = v end
        for a, k in ipairs(view.place) do own[k] = weights and weights[a] or 1 end
      end
    end
    local rest, where_ = {}, {}
    for i = 1, #m.gram do
      if not done[i] then where_[#where_ + 1] = i end
    end
    for k = 1, m.K do
      rest[k] = {}
      for r, i in ipairs(where_) do rest[k][r] = grads[k][i] end
    end
    if #where_ > 0 then
      for r, t in ipairs(core.combine(rest, own)) do done[where_[r]] = t end
    end
    return done, telemetry.write(record, m, ctx, o.layers)
  end })
end
