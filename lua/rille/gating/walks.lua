-- The ways a step may walk back under a gate: which gradients are made, kept and combined. All give the same
-- update up to rounding; they differ in memory and time.

local core = require "rille.core"
local measure = require "rille.gating.measure"
local rl = require "rille"
local telemetry = require "rille.gating.telemetry"

local walks = {}

local function weighted_sum(losses, weights)
  local total
  for k, t in ipairs(losses) do
    local w = weights[k]
    if w ~= 0 then
      local part = w == 1 and t or t * w
      total = total and total + part or part
    end
  end
  return total
end

local function zeros_like(x) return rl.zeros(x.shape, { dtype = x.dtype }) end

-- The gradient of what one loss alone reaches, by its weight; zeros where none does.
local function alone(grads, weights, i, x)
  for k = 1, #grads do
    local g, w = grads[k][i], weights[i][k]
    if g and w ~= 0 then return w == 1 and g or g * w end
  end
  return zeros_like(x)
end

-- Losses' values alone: one walk of their weighted sum.
local function by_values(gate, losses, params, ctx)
  local w, record = gate.scale(ctx)
  local sum = weighted_sum(losses, w)
  if sum then return core.grads({ sum }, params)[1], record end
  local update = {}
  for i, x in ipairs(params) do update[i] = zeros_like(x) end
  return update, record
end

-- One walk with all losses; inner products are taken on the way, and gradients are kept only where two losses
-- or more reach.
local function by_products(gate, losses, params, ctx)
  local gram, grads = core.grads_gram(losses, params, { keep = true })
  local m = measure.of(gate.who, gram, ctx)
  local weights, record = gate.weigh(m, ctx)
  local update, lists, some, places = {}, {}, {}, {}
  for i in ipairs(params) do
    if m.shared[i] > 1 then places[#places + 1] = i else update[i] = alone(grads, weights, i, params[i]) end
  end
  for k = 1, #losses do
    lists[k] = {}
    for s, i in ipairs(places) do lists[k][s] = grads[k][i] or zeros_like(params[i]) end
  end
  for s, i in ipairs(places) do some[s] = weights[i] end
  if #places > 0 then
    for s, t in ipairs(core.combine(lists, some)) do update[places[s]] = t end
  end
  return update, record
end

-- Shared parameters by their weights: each group is one more walk.
local function groups_of(m, weights)
  local groups, by_key = {}, {}
  for i = 1, #m.gram do
    if m.shared[i] > 1 then
      local key = table.concat(weights[i], " ")
      if not by_key[key] then
        by_key[key] = { weights = weights[i], places = {} }
        groups[#groups + 1] = by_key[key]
      end
      table.insert(by_key[key].places, i)
    end
  end
  return groups
end

-- One walk for the products alone, then one of the weighted losses per kind of weights: no gradient per loss
-- is kept.
local function by_gram(gate, losses, params, ctx)
  local gram, own = core.grads_gram(losses, params, { retain = true })
  local m = measure.of(gate.who, gram, ctx)
  local weights, record = gate.weigh(m, ctx)
  local update, groups = {}, groups_of(m, weights)
  for i, x in ipairs(params) do
    if m.shared[i] < 2 then update[i] = alone(own, weights, i, x) end
  end
  for n, group in ipairs(groups) do
    local sum, list = weighted_sum(losses, group.weights), {}
    for s, i in ipairs(group.places) do list[s] = params[i] end
    local grads = sum and core.grads({ sum }, list, { retain = n < #groups })[1]
    for s, i in ipairs(group.places) do update[i] = grads and grads[s] or zeros_like(list[s]) end
  end
  return update, record
end

-- On the activation y[gate.at]: the losses walk back to it, and one walk takes the gate's result further
-- down. Every loss must reach what lies below it through it alone; what does not lie below gets its gradients
-- whole.
local function by_activation(gate, losses, params, ctx, y)
  local z = y[gate.at]
  local below, xs, trunk, places = core.reaches(z, params), { z }, {}, {}
  for i, x in ipairs(params) do
    if below[i] then
      trunk[#trunk + 1], places[#places + 1] = x, i
    else
      xs[#xs + 1] = x
    end
  end
  local grads = core.grads(losses, xs, { retain = true })
  local at_z, update, rest, ones = {}, {}, {}, {}
  for k, list in ipairs(grads) do
    at_z[k], rest[k], ones[k] = { list[1] }, table.move(list, 2, #list, 1, {}), 1
  end
  local there = setmetatable({ params = { gate.at } }, { __index = ctx, __newindex = ctx })
  local mixed, record = gate(at_z, there)
  for s, g in ipairs(core.grad(z, trunk, { seed = mixed[1] })) do update[places[s]] = g end
  if #rest[1] > 0 then
    local sums, s = core.combine(rest, ones), 0
    for i in ipairs(params) do
      if not below[i] then s = s + 1 update[i] = sums[s] end
    end
  end
  return update, record
end

-- Any function: full lists, and the record completed.
local function by_lists(gate, losses, params, ctx)
  local grads = core.grads(losses, params)
  local update, record = gate(grads, ctx)
  if not ctx.measured then telemetry.write(record, measure.take("gate", grads, ctx), ctx) end
  return update, record
end

---The update and record of a gate over the losses of one forward pass.
---@param gate table|function
---@param losses rille.Tensor[] weighted, in the order of ctx.losses
---@param params rille.Tensor[]
---@param ctx table
---@param y table<string, rille.Tensor> outputs, for gates that work on one
---@return rille.Tensor[] update, table record
function walks.back(gate, losses, params, ctx, y)
  local how = by_lists
  if type(gate) == "table" then
    how = gate.scale and by_values or gate.at and by_activation or gate.gram and by_gram
      or gate.weigh and by_products or by_lists
  end
  return how(gate, losses, params, ctx, y)
end

---A gate that is walked as its spec says.
---Raises: when it cannot be.
---@param gate table|function
---@param how { at?: string, gram?: boolean }
---@return table|function gate
function walks.how(gate, how)
  if not how.at and not how.gram then return gate end
  local is_table = type(gate) == "table"
  if how.at and how.gram or how.gram and not (is_table and gate.weigh) then
    error("gram = true needs a rule whose weights follow from inner products alone, and no `at`; take it out",
      0)
  end
  if is_table and gate.scale then
    error(gate.who .. ": weighs the losses by their values; take `at` out", 0)
  end
  local made = { at = how.at, gram = how.gram or nil }
  local function call(_, ...) return gate(...) end
  return setmetatable(made, { __index = is_table and gate or nil, __call = call })
end

return walks
