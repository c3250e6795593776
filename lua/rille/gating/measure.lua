-- What gates look at: inner products of the losses' gradients, in f64, tensor by tensor, summed over layers,
-- groups or all. A loss whose gradient in a parameter is zero does not reach it.

local core = require "rille.core"
local match = require "rille.util.match"

local measure = {}

-- The layer of "encoder.features.conv0.weight" is "encoder.features.conv0".
local function layer_of(path) return path:match("^(.*)%.[^.]*$") or path end

local function check_finite(who, m, ctx)
  for i, products in ipairs(m.gram) do
    for k = 1, m.K do
      local v = products[(k - 1) * m.K + k]
      if v - v ~= 0 then
        error(('%s: the gradient of loss "%s" is not finite in %s'):format(who, ctx.losses[k], ctx.params[i]),
          0)
      end
    end
  end
end

local function put_layers(m, ctx)
  for i, products in ipairs(m.gram) do
    local reached, n = {}, 0
    for k = 1, m.K do
      reached[k] = products[(k - 1) * m.K + k] > 0
      n = n + (reached[k] and 1 or 0)
    end
    local layer = layer_of(ctx.params[i])
    m.reached[i], m.shared[i], m.layer[i], m.all[i] = reached, n, layer, i
    if not m.members[layer] then
      m.members[layer], m.layers[#m.layers + 1] = {}, layer
    end
    table.insert(m.members[layer], i)
  end
end

---What is known from the products alone, as rl.gram and rl.grads_gram give them.
---Raises: when a gradient is not finite, naming loss and parameter.
---@param who string
---@param gram number[][] per parameter, flat K x K
---@param ctx table
---@return table m K, gram[i], reached[i][k], shared[i] (how many losses reach it), paths[i], layers (names in
---  order), layer[i], members[layer] (places), all (places)
function measure.of(who, gram, ctx)
  local m = { K = #ctx.losses, gram = gram, reached = {}, shared = {}, layers = {}, layer = {}, members = {},
    all = {}, paths = ctx.params, who = who }
  check_finite(who, m, ctx)
  put_layers(m, ctx)
  ctx.measured = m
  return m
end

---Inner products of all pairs of losses in each parameter.
---@param who string
---@param grads rille.Tensor[][]
---@param ctx table
---@return table m as of measure.of
function measure.take(who, grads, ctx)
  if not ctx.params then -- by hand, at the prompt: parameters are known by their places
    ctx.params = {}
    for i = 1, #grads[1] do ctx.params[i] = tostring(i) end
  end
  if #grads ~= #ctx.losses or #grads[1] ~= #ctx.params then
    error(("%s: %d lists of %d gradients for %d losses and %d parameters"):format(
      who, #grads, #grads[1], #ctx.losses, #ctx.params), 0)
  end
  return measure.of(who, core.gram(grads), ctx)
end

---Sums over a set of parameters of the main gradient's products with another: only parameters that both reach
---count. `other` gives the other gradient as a combination of the losses: { [k] = weight }.
---@param m table
---@param main integer
---@param other table<integer, number>
---@param members? integer[] places; nil: all parameters
---@return table { cos, dot, norm_main, norm_aux, count }; cos is 0 where a norm is 0
function measure.against(m, main, other, members)
  local K, dot, mm, oo, count = m.K, 0, 0, 0, 0
  for _, i in ipairs(members or m.all) do
    local products, both = m.gram[i], false
    for k in pairs(other) do both = both or m.reached[i][k] end
    if both and m.reached[i][main] then
      count = count + 1
      mm = mm + products[(main - 1) * K + main]
      for k, a in pairs(other) do
        dot = dot + a * products[(main - 1) * K + k]
        for l, b in pairs(other) do oo = oo + a * b * products[(k - 1) * K + l] end
      end
    end
  end
  oo = math.max(oo, 0)
  local cos = (mm > 0 and oo > 0) and dot / (mm ^ 0.5 * oo ^ 0.5) or 0
  return { cos = math.max(-1, math.min(1, cos)), dot = dot, norm_main = mm ^ 0.5, norm_aux = oo ^ 0.5,
    count = count }
end

---K x K products over the parameters of a set that two losses or more reach.
---@param m table
---@param members integer[]
---@return number[][] M
function measure.matrix(m, members)
  local M, K = {}, m.K
  for k = 1, K do
    M[k] = {}
    for l = 1, K do M[k][l] = 0 end
  end
  for _, i in ipairs(members) do
    if m.shared[i] > 1 then
      local products = m.gram[i]
      for k = 1, K do
        for l = 1, K do M[k][l] = M[k][l] + products[(k - 1) * K + l] end
      end
    end
  end
  return M
end

-- A function of a parameter's place: the name of its unit, nil in none. Groups are asked in the order of
-- names.
local function units_by(m, scope)
  if scope == "layer" then return function(i) return m.layer[i] end end
  if scope == "tensor" then return function(i) return m.paths[i] end end
  if type(scope) ~= "table" then return function() return "all" end end
  local groups = {}
  for name, text in pairs(scope) do groups[#groups + 1] = { name = name, takes = match.compile(text) } end
  table.sort(groups, function(a, b) return a.name < b.name end)
  return function(i)
    for _, group in ipairs(groups) do
      if group.takes(m.paths[i]) then return group.name end
    end
  end
end

---The sets of parameters that are decided on together: all, a layer each, a tensor each, or named groups,
---{ trunk = "encoder. neck." }. What `params` or no group names takes no part; both are texts of
---rille.util.match, as `freeze` takes them.
---@param m table
---@param scope string|table<string, string>
---@param params string
---@return { name: string, members: integer[] }[]
function measure.units(m, scope, params)
  local units, by_name, takes, unit_of = {}, {}, match.compile(params), units_by(m, scope)
  for i = 1, #m.gram do
    local name = takes(m.paths[i]) and unit_of(i)
    if name then
      if not by_name[name] then
        by_name[name] = { name = name, members = {} }
        units[#units + 1] = by_name[name]
      end
      table.insert(by_name[name].members, i)
    end
  end
  if #units == 0 then
    error(('%s: no parameter\'s path begins with "%s"'):format(m.who, params), 0)
  end
  return units
end

---The state of a unit: the gate's own for "all", a table below state.units for others.
---@param ctx table
---@param name string
---@return table
function measure.state(ctx, name)
  ctx.state = ctx.state or {}
  if name == "all" then return ctx.state end
  ctx.state.units = ctx.state.units or {}
  ctx.state.units[name] = ctx.state.units[name] or {}
  return ctx.state.units[name]
end

---Checks the form of `scope`.
function measure.check_scope(who, scope)
  if type(scope) == "table" then
    for name, prefixes in pairs(scope) do
      if type(name) ~= "string" or type(prefixes) ~= "string" then
        error(who .. ': scope names groups by prefixes of paths; write { trunk = "encoder. neck." }', 0)
      end
    end
  elseif scope ~= "all" and scope ~= "layer" and scope ~= "tensor" then
    error(('%s: scope = %s; it is one of: all, layer, tensor, or a table of groups'):format(who,
      tostring(scope)), 0)
  end
end

---The main loss of ctx.
---Raises: when there is none.
function measure.main_of(who, ctx)
  if not ctx.main then
    error(('%s: needs a main loss; write { "%s", main = "%s" }'):format(who, who:match("[^.]*$"),
      ctx.losses[1] or "ce"), 0)
  end
  return ctx.main
end

return measure
