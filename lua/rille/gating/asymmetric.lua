-- What the rules with a main loss have in common: weights of the auxiliary gradients from their cosines with
-- the main one, by unit of parameters, and the record of it.
-- A parameter that the main loss does not reach takes no part: each loss that reaches it moves it with
-- full weight, unless the rule says otherwise.

local callable = require "rille.gating.callable"
local linear = require "rille.gating.linear"
local measure = require "rille.gating.measure"
local telemetry = require "rille.gating.telemetry"

local function auxiliaries(ctx, main, lambda)
  local list, sum, plain = {}, {}, {}
  for k, name in ipairs(ctx.losses) do
    if k ~= main then
      local l = lambda
      if type(lambda) == "table" then l = lambda[name] or 1 end
      list[#list + 1] = { k = k, name = name, lambda = l }
      sum[k], plain[k] = l, 1
    end
  end
  return list, sum, plain
end

-- The cosines that count at this step: its own, a moving average, or the means over the epoch before.
local function settled(rule, state, ctx, cosines)
  if rule.smooth and rule.smooth > 0 then
    local mean = state.mean or cosines
    for a, s in ipairs(cosines) do mean[a] = rule.smooth * mean[a] + (1 - rule.smooth) * s end
    state.mean = mean
    return mean
  end
  if rule.every ~= "epoch" then return cosines end
  local epoch = ctx.epoch or 1
  if state.epoch ~= epoch then
    if state.sums then
      state.before = {}
      for a, s in ipairs(state.sums) do state.before[a] = s / state.steps end
    end
    state.epoch, state.steps, state.sums = epoch, 0, linear.full(#cosines, 0)
  end
  state.steps = state.steps + 1
  for a, s in ipairs(cosines) do state.sums[a] = state.sums[a] + s end
  return state.before or cosines
end

-- Factor of each auxiliary in one unit, and how much of the main gradient it takes away or adds.
local function decide(rule, m, ctx, sets, members, state)
  local main, aux, seen, list = sets.main, sets.aux, {}, {}
  for a, x in ipairs(aux) do
    seen[a] = measure.against(m, main, { [x.k] = 1 }, members)
    list[a] = seen[a].cos
  end
  local joint = rule.reading == "joint"
  if joint then
    list = { measure.against(m, main, rule.inside == false and sets.plain or sets.sum, members).cos }
  end
  list = settled(rule, state, ctx, list)
  local factors, pulls, open = {}, {}, 0
  for a, x in ipairs(aux) do
    local s = joint and list[1] or list[a]
    if rule.reading == "any" then s = math.max(table.unpack(list)) end
    if rule.reading == "all" then s = math.min(table.unpack(list)) end
    local f, pull = rule.admit(s, seen[a])
    factors[x.k], pulls[x.k] = f, (pull or 0) * x.lambda
    open = open + (f > 0 and 1 or 0) / #aux
  end
  local count = measure.against(m, main, sets.plain, members).count
  return { factors = factors, pulls = pulls, open = open, count = count }
end

local PHI = { trained = function() return 1 end, gated = function(d, k) return d.factors[k] end,
  fixed = function() return 0 end }

local function row_of(rule, m, sets, i, here, all)
  local row, reached = linear.full(m.K, 1), m.reached[i]
  for _, x in ipairs(sets.aux) do
    if not reached[sets.main] then
      row[x.k] = PHI[rule.phi or "trained"](all, x.k)
    else
      row[x.k] = x.lambda * here.factors[x.k]
      if reached[x.k] then row[sets.main] = row[sets.main] + here.pulls[x.k] end
    end
  end
  return row
end

local function write_record(m, sets, all)
  local r = measure.against(m, sets.main, sets.sum)
  local record = { cos = r.cos, norm_main = r.norm_main, norm_aux = r.norm_aux, open = all.open }
  if #sets.aux > 1 then
    for _, x in ipairs(sets.aux) do
      local one = measure.against(m, sets.main, { [x.k] = 1 })
      record["cos_" .. x.name], record["norm_" .. x.name] = one.cos, one.norm_aux
    end
  end
  return record
end

-- The main loss against the weighted sum of the others, by layer, and each unit's decision.
local function add_layers(record, m, sets, decisions, is_whole)
  local total, n = 0, 0
  for _, d in ipairs(decisions) do
    if d.count > 0 and not is_whole then
      record["layer." .. d.name .. ".open"], total, n = d.open, total + d.open, n + 1
    end
  end
  if not is_whole then record.open = n > 0 and total / n or 1 end
  for _, layer in ipairs(m.layers) do
    local r = measure.against(m, sets.main, sets.sum, m.members[layer])
    if r.count > 0 then
      local at = "layer." .. layer .. "."
      record[at .. "cos"] = r.cos
      record[at .. "norm_main"], record[at .. "norm_aux"] = r.norm_main, r.norm_aux
    end
  end
end

---A gate from a rule: { who, admit = function(cos, seen) -> factor, pull?, lambda, reading, inside, scope,
---params, phi, every, smooth, layers }; seen = { dot, norm_main, norm_aux }. Each auxiliary gets lambda *
---factor, the main gradient
---1 + lambda * pull.
---norm_aux in the record is that of sum_k lambda_k grads[k], ratio is norm_aux / norm_main.
---@param rule table
---@return table gate
return function(rule)
  measure.check_scope(rule.who, rule.scope)
  return callable(rule.who, function(m, ctx)
    local sets, decisions, weights = { main = measure.main_of(rule.who, ctx) }, {}, {}
    sets.aux, sets.sum, sets.plain = auxiliaries(ctx, sets.main, rule.lambda)
    for i = 1, #m.gram do weights[i] = linear.full(m.K, 1) end
    local units = measure.units(m, rule.scope, rule.params)
    local is_whole = #units == 1
    local all = not is_whole and decide(rule, m, ctx, sets, nil, measure.state(ctx, "all"))
    for u, unit in ipairs(units) do
      local d = decide(rule, m, ctx, sets, unit.members, measure.state(ctx, unit.name))
      d.name, decisions[u] = unit.name, d
      for _, i in ipairs(unit.members) do weights[i] = row_of(rule, m, sets, i, d, all or d) end
    end
    local record = write_record(m, sets, all or decisions[1])
    if rule.layers ~= false then add_layers(record, m, sets, decisions, is_whole) end
    return weights, telemetry.write(record, m, ctx, rule.layers)
  end)
end
