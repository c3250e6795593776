-- Rules that weigh the losses by their values alone: one walk back of the weighted sum. The weights scale all
-- that a loss moves, its own parameters too, as in the papers.

local core = require "rille.core"
local measure = require "rille.gating.measure"
local options = require "rille.gating.options"
local random = require "rille.util.random"
local telemetry = require "rille.gating.telemetry"

local function look(who, ctx, o)
  if not ctx.values then
    error(who .. ": needs the losses' values; give ctx.values = { 0.3, 1.2 }, in the order of ctx.losses", 0)
  end
  ctx.state = ctx.state or {}
  return { names = ctx.losses, state = ctx.state, step = ctx.step or 0, epoch = ctx.epoch or 1, lr = ctx.lr,
    random = function() return random(o.seed * 1000003 + (ctx.step or 0)) end }
end

---A gate from a rule of the losses' values.
---
---make(o) gives rule(L, view) -> w, extra and, if it wants, after(L, view), which is called behind the
---optimiser's step with the same batch's losses as they are then; L are values in the order of view.names.
---Options of all such gates: layers = true walks back loss by loss, to record how the gradients stand to each
---other; seed.
---@param who string
---@param opts? table
---@param specs table<string, any>
---@param make fun(o: table): function, function?
---@return table gate scale(ctx) -> weights, record; after(ctx) where the rule has it; callable as
---  gate(grads, ctx)
return function(who, opts, specs, make)
  local o = options(who, opts, specs, { layers = false, seed = { 0 } })
  local rule, after = make(o)
  local function scale(ctx)
    local w, extra = rule(ctx.values, look(who, ctx, o))
    local record = extra or {}
    for k, name in ipairs(ctx.losses) do record["weight_" .. name] = w[k] end
    return w, record
  end
  local gate = { who = who, scale = not o.layers and scale or nil }
  if after then
    function gate.after(ctx) after(ctx.reevaluate(), look(who, ctx, o)) end
  end
  return setmetatable(gate, { __call = function(_, grads, ctx)
    look(who, ctx, o)
    local m = measure.take(who, grads, ctx)
    local w, record = scale(ctx)
    return core.combine(grads, w), telemetry.write(record, m, ctx)
  end })
end
