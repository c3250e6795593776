-- GradNorm: losses train at one rate, their gradients have one size. Source: arXiv:1711.02257.

local callable = require "rille.gating.callable"
local linear = require "rille.gating.linear"
local measure = require "rille.gating.measure"
local numbers = require "rille.gating.numbers"
local options = require "rille.gating.options"
local telemetry = require "rille.gating.telemetry"

local specs = { alpha = { 1.5, 0 }, lr = { 0.025, 0 }, params = { any = "last" }, layers = true }

-- Places of the layer W: those below the prefixes, or the last layer that several losses reach.
local function layer_of(m, params)
  if params ~= "last" then return measure.units(m, "all", params)[1].members end
  local last
  for i = 1, #m.gram do
    if m.shared[i] > 1 then last = m.layer[i] end
  end
  return last and m.members[last] or m.all
end

-- Sizes of the weighted gradients and what they ought to be.
local function sizes(M, w, ctx, o)
  local first, n, ratio, mean, sum = ctx.state.first, {}, {}, 0, 0
  for k, name in ipairs(ctx.losses) do
    first[name] = first[name] or ctx.values[k]
    n[k] = M[k][k] ^ 0.5
    ratio[k] = ctx.values[k] / first[name]
    mean, sum = mean + w[name] * n[k] / #M, sum + ratio[k] / #M
  end
  for k = 1, #M do ratio[k] = mean * (ratio[k] / sum) ^ o.alpha end
  return n, ratio
end

---Make the gate.
---
---Update: sum of w_k grads[k], also where one loss alone reaches. w descends sum over k of | w_k n_k -
---        target_k | by Adam, n_k = |grads[k]| in the layer W, target_k = mean(w n) (r_k)^alpha held fixed,
---        r_k the loss over its first value,
---        relative to the mean of these; then w is brought to sum K.
---        params: prefixes of W's parameters; "last" is the last layer that several losses reach.
---State:  w[NAME], first[NAME] and Adam's moments.
---Source: Chen et al. 2018, arXiv:1711.02257.
---@param opts? { alpha: number, lr: number, params: string, layers: boolean } default 1.5, 0.025, "last"
---@return table gate
return function(opts)
  local who = "gating.gradnorm"
  local o = options(who, opts, specs)
  return callable(who, function(m, ctx)
    if not ctx.values then error(who .. ": needs the losses' values; give ctx.values = { 0.3, 1.2 }", 0) end
    ctx.state = ctx.state or {}
    ctx.state.first = ctx.state.first or {}
    local w, row, record, slopes, sum = numbers.of(ctx.state, "w", ctx.losses, 1), {}, {}, {}, 0
    local n, target = sizes(measure.matrix(m, layer_of(m, o.params)), w, ctx, o)
    for k, name in ipairs(ctx.losses) do
      local off = w[name] * n[k] - target[k]
      row[k], record["weight_" .. name] = w[name], w[name]
      slopes[name] = off > 0 and n[k] or off < 0 and -n[k] or 0
    end
    numbers.adam(ctx.state, "w", slopes, o.lr)
    for _, name in ipairs(ctx.losses) do
      w[name] = math.max(w[name], 1e-6)
      sum = sum + w[name]
    end
    for _, name in ipairs(ctx.losses) do w[name] = w[name] * m.K / sum end
    return linear.full(#m.gram, row), telemetry.write(record, m, ctx, o.layers)
  end)
end
