-- What the rules with a main loss have in common: weights of the auxiliary gradients from their cosines with
-- the main one, by group of parameters, and the record of it.
-- A parameter that the main loss does not reach takes no part: each loss that reaches it moves it with
-- full weight.

local core = require "rille.core"
local measure = require "rille.gating.measure"

local function auxiliaries(ctx, main, lambda)
  local list, sum = {}, {}
  for k, name in ipairs(ctx.losses) do
    if k ~= main then
      local l = lambda
      if type(lambda) == "table" then l = lambda[name] or 1 end
      list[#list + 1] = { k = k, name = name, lambda = l }
      sum[k] = l
    end
  end
  return list, sum
end

-- Weight of each auxiliary in one group of parameters (a layer, or all).
local function decide(rule, m, main, aux, sum, unit)
  local cosines = {}
  for a, x in ipairs(aux) do cosines[a] = measure.against(m, main, { [x.k] = 1 }, unit).cos end
  local joint = rule.reading == "joint" and measure.against(m, main, sum, unit).cos
  local weights, open = {}, 0
  for a, x in ipairs(aux) do
    local f = rule.admit(joint or cosines[a])
    if rule.reading == "any" then
      f = rule.admit(math.max(table.unpack(cosines)))
    elseif rule.reading == "all" then
      f = rule.admit(math.min(table.unpack(cosines)))
    end
    weights[x.k] = x.lambda * f
    open = open + (f > 0 and 1 or 0) / #aux
  end
  return weights, open, cosines
end

local function per_tensor(m, main, decided)
  local w = {}
  for i = 1, #m.gram do
    local row = {}
    for k = 1, m.K do row[k] = (k == main or not m.reached[i][main]) and 1 or decided(i)[k] end
    w[i] = row
  end
  return w
end

local function write_record(rule, m, main, aux, sum, decisions)
  local all = measure.against(m, main, sum)
  local record = { cos = all.cos, open = decisions.open, norm_main = all.norm_main, norm_aux = all.norm_aux }
  record.ratio = all.norm_main > 0 and all.norm_aux / all.norm_main or 0
  if #aux > 1 then
    for _, x in ipairs(aux) do
      local r = measure.against(m, main, { [x.k] = 1 })
      record["cos_" .. x.name], record["norm_" .. x.name] = r.cos, r.norm_aux
    end
  end
  if rule.layers then measure.log_layers(record, m, main, sum) end
  for layer, open in pairs(decisions.by_layer) do record["layer." .. layer .. ".open"] = open end
  return record
end

---A gate from a rule: { who, admit = function(cos) -> factor, lambda, reading, scope, layers }.
---norm_aux in the record is that of sum_k lambda_k grads[k], ratio is norm_aux / norm_main.
---@param rule table
---@return fun(grads: rille.Tensor[][], ctx: table): rille.Tensor[], table
return function(rule)
  return function(grads, ctx)
    local main = measure.main_of(rule.who, ctx)
    local m = measure.take(rule.who, grads, ctx)
    local aux, sum = auxiliaries(ctx, main, rule.lambda)
    local decisions = { by_layer = {} }
    local weights
    if rule.scope == "layer" then
      local by_layer, total, n = {}, 0, 0
      for _, layer in ipairs(m.layers) do
        local open
        by_layer[layer], open = decide(rule, m, main, aux, sum, layer)
        if measure.against(m, main, sum, layer).count > 0 then -- others have nothing to decide
          decisions.by_layer[layer], total, n = open, total + open, n + 1
        end
      end
      decisions.open = n > 0 and total / n or 1
      weights = per_tensor(m, main, function(i) return by_layer[m.layer[i]] end)
    else
      local one
      one, decisions.open = decide(rule, m, main, aux, sum)
      weights = per_tensor(m, main, function() return one end)
    end
    return core.combine(grads, weights), write_record(rule, m, main, aux, sum, decisions)
  end
end
