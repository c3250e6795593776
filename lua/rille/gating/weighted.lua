-- Rules whose weights depend on the losses' inner products alone. A rule is a function of the Gram matrix;
-- all else is shared: which parameters are decided on together, losses without a gradient, smoothing, the
-- record. A parameter that one loss alone reaches gets that gradient whole.

local callable = require "rille.gating.callable"
local halves = require "rille.gating.halves"
local linear = require "rille.gating.linear"
local measure = require "rille.gating.measure"
local options = require "rille.gating.options"
local random = require "rille.util.random"
local telemetry = require "rille.gating.telemetry"

local COMMON = { scope = { any = "all" }, params = { any = "*" }, smooth = { 0, 0, 1 }, layers = true,
  seed = { 0 } }

local function part(M, places)
  local small = {}
  for a, k in ipairs(places) do
    small[a] = {}
    for b, l in ipairs(places) do small[a][b] = M[k][l] end
  end
  return small
end

-- The matrix without the losses that have no gradient here, and what a rule may look at besides.
local function present(m, ctx, unit, o, number)
  local M = measure.matrix(m, unit.members)
  local view = { names = {}, place = {}, step = ctx.step or 0, state = measure.state(ctx, unit.name),
    unit = unit.name }
  for k = 1, #M do
    if M[k][k] > 0 then
      table.insert(view.names, ctx.losses[k])
      table.insert(view.place, k)
      if k == ctx.main then view.main = #view.place end
    end
  end
  function view.random() return random(o.seed * 1000003 + view.step + (number - 1) * 7368787) end
  function view.halves() return part(halves(m, ctx, unit.members), view.place) end
  return part(M, view.place), view
end

-- w <- smooth w(before) + (1 - smooth) w; the first step keeps w.
local function smoothed(w, view, smooth)
  if smooth == 0 then return w end
  local before = view.state.smoothed or {}
  view.state.smoothed = before
  for a, name in ipairs(view.names) do
    w[a] = smooth * (before[name] or w[a]) + (1 - smooth) * w[a]
    before[name] = w[a]
  end
  return w
end

local function decide(rule, m, ctx, o, unit, number)
  local M, view = present(m, ctx, unit, o, number)
  local row = linear.full(m.K, 1)
  if #M < 2 then return row, {}, 0 end
  local w, extra = rule(M, view)
  w, extra = smoothed(w, view, o.smooth), extra or {}
  local open = 0
  for a, k in ipairs(view.place) do
    row[k] = w[a]
    extra["weight_" .. view.names[a]] = w[a]
    open = open + (w[a] > 0 and 1 or 0) / #M
  end
  extra.open = open
  return row, extra, 1
end

-- What the units say, as their mean; of several units also each one's own.
local function gather(record, units, extras, n)
  for u, extra in ipairs(extras) do
    for key, v in pairs(extra) do
      record[key] = (record[key] or 0) + v / n
      if #units > 1 then record["layer." .. units[u].name .. "." .. key] = v end
    end
  end
end

---A gate from a rule.
---
---The rule is made by make(o) and called as rule(M, view) -> w, extra: M the K x K inner products of those
---losses that have a gradient here (two or more), w their weights, extra numbers for the record; view.names,
---view.main (place of the main loss in M or nil), view.step, view.state (kept, saved), view.random().
---Options of all such gates: scope "all", "layer", "tensor" or groups { trunk = "encoder." } (units of
---decision, each with its own state), params (prefixes: what takes part; the rest is added), smooth (moving
---average of the weights), seed, layers (record per layer).
---With view.halves(), the products of the gradients on one half of the batch with those on the other.
---@param who string "gating.NAME"
---@param opts? table what the user wrote
---@param specs table<string, any> the rule's own options, as of gating/options.lua
---@param make fun(o: table): fun(M: number[][], view: table): number[], table?
---@param needs_main? boolean
---@return table gate
return function(who, opts, specs, make, needs_main)
  local o = options(who, opts, specs, COMMON)
  measure.check_scope(who, o.scope)
  local rule = make(o)
  local gate = callable(who, function(m, ctx)
    if needs_main then measure.main_of(who, ctx) end
    local units, weights, record = measure.units(m, o.scope, o.params), {}, {}
    local extras, n = {}, 0
    for i = 1, #m.gram do weights[i] = linear.full(m.K, 1) end
    for u, unit in ipairs(units) do
      local row, extra, decided = decide(rule, m, ctx, o, unit, u)
      extras[u], n = extra, n + decided
      for _, i in ipairs(unit.members) do
        if m.shared[i] > 1 then weights[i] = row end
      end
    end
    gather(record, units, extras, n)
    return weights, telemetry.write(record, m, ctx, o.layers)
  end)
  gate.smooths = true
  return gate
end
