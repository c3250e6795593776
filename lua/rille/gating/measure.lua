-- What gates look at: inner products of the losses' gradients, in f64, tensor by tensor, summed over layers
-- or over all.

local core = require "rille.core"

local measure = {}

local function finite(v) return v == v and v ~= math.huge and v ~= -math.huge end

-- The layer of "encoder.features.conv0.weight" is "encoder.features.conv0".
local function layer_of(path) return path:match("^(.*)%.[^.]*$") or path end

local function check_finite(who, m, ctx)
  for i, products in ipairs(m.gram) do
    for k = 1, m.K do
      if not finite(products[(k - 1) * m.K + k]) then
        error(('%s: the gradient of loss "%s" is not finite in %s'):format(who, ctx.losses[k], ctx.params[i]),
          0)
      end
    end
  end
end

---Inner products of all pairs of losses in each parameter.
---Raises: when a gradient is not finite, naming loss and parameter.
---@param who string
---@param grads rille.Tensor[][]
---@param ctx table
---@return table m K, gram[i] (flat K x K), reached[i][k], shared[i] (how many losses reach it), layers (names
---  in order), layer[i], members[layer] (places)
function measure.take(who, grads, ctx)
  if not ctx.params then -- by hand, at the prompt: parameters are known by their places
    ctx.params = {}
    for i = 1, #grads[1] do ctx.params[i] = tostring(i) end
  end
  if #grads ~= #ctx.losses or #grads[1] ~= #ctx.params then
    error(("%s: %d lists of %d gradients for %d losses and %d parameters"):format(
      who, #grads, #grads[1], #ctx.losses, #ctx.params), 0)
  end
  local m = { K = #grads, gram = core.gram(grads), reached = {}, shared = {}, layers = {}, layer = {},
    members = {}, all = {} }
  check_finite(who, m, ctx)
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
  return m
end

---Sums over a set of parameters of the main gradient's products with another: only parameters that both reach
---count. `other` gives the other gradient as a combination of the losses: { [k] = weight }.
---@param m table
---@param main integer
---@param other table<integer, number>
---@param unit? string a layer; nil: all parameters
---@return table { cos, norm_main, norm_aux, count }; cos is 0 where a norm is 0
function measure.against(m, main, other, unit)
  local K, dot, mm, oo, count = m.K, 0, 0, 0, 0
  for _, i in ipairs(unit and m.members[unit] or m.all) do
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
  return { cos = math.max(-1, math.min(1, cos)), norm_main = mm ^ 0.5, norm_aux = oo ^ 0.5, count = count }
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

---Puts each layer's cosine and norms into a record.
---@param record table
---@param m table
---@param main integer
---@param other table<integer, number>
function measure.log_layers(record, m, main, other)
  for _, layer in ipairs(m.layers) do
    local r = measure.against(m, main, other, layer)
    if r.count > 0 then
      local at = "layer." .. layer .. "."
      record[at .. "cos"], record[at .. "norm_main"], record[at .. "norm_aux"] = r.cos, r.norm_main,
        r.norm_aux
    end
  end
end

return measure
