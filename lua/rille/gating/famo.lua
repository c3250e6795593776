-- FAMO: weights from how much each loss fell in the last step. Source: arXiv:2306.03792.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local scaled = require "rille.gating.scaled"

local EPS = 1e-8

-- Values above their lower bounds; a value at or below its bound cannot be weighed.
local function above(L, view, bound)
  local out = {}
  for k, v in ipairs(L) do
    out[k] = v - (type(bound) == "table" and bound[view.names[k]] or 0) + EPS
    if out[k] <= 0 then
      local text = 'gating.famo: loss "%s" is %g, not above its bound; give bound = { %s = ... }'
      error(text:format(view.names[k], v, view.names[k]), 0)
    end
  end
  return out
end

local function shares(view)
  local xi, list = numbers.of(view.state, "xi", view.names, 0), {}
  for k, name in ipairs(view.names) do list[k] = xi[name] end
  return linear.softmax(list)
end

---Make the gate.
---
---Loss:   c sum of z_k ln(L_k - b_k), z = softmax(xi), c = 1 / sum of z_k / (L_k - b_k) held fixed. Behind
---        the step the losses of the same batch are taken again (dropout draws the same, batch norms do not
---        move), and xi takes an
---        Adam step along J(softmax)' d, d_k = ln before - ln after.
---State:  xi[NAME] and Adam's moments.
---Source: Liu et al. 2023, arXiv:2306.03792.
---@param opts? { lr: number, decay: number, bound: table<string, number> } default 0.025, 1e-3, 0; and those
---  of
---  gating/scaled.lua
---@return table gate
return function(opts)
  local specs = { lr = { 0.025, 0 }, decay = { 1e-3, 0 }, bound = { any = 0 } }
  return scaled("gating.famo", opts, specs, function(o)
    local function rule(L, view)
      local z, over, c, w = shares(view), above(L, view, o.bound), 0, {}
      for k = 1, #L do c = c + z[k] / over[k] end
      for k = 1, #L do w[k] = z[k] / over[k] / c end
      view.state.before = over
      return w
    end
    local function after(L, view)
      local z, over, mean, d, slopes = shares(view), above(L, view, o.bound), 0, {}, {}
      for k = 1, #L do
        d[k] = math.log(view.state.before[k]) - math.log(over[k])
        mean = mean + z[k] * d[k]
      end
      for k, name in ipairs(view.names) do slopes[name] = z[k] * (d[k] - mean) end
      numbers.adam(view.state, "xi", slopes, o.lr, o.decay)
    end
    return rule, after
  end)
end
