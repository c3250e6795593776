-- SDMGrad: MGDA near a preferred direction, on independent mini-batches. Source: arXiv:2305.18409.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local weighted = require "rille.gating.weighted"

-- n projected steps with momentum down w'A(w / 2 + lambda p).
local function steps(A, w, p, o)
  local speed = linear.full(#w, 0)
  for _ = 1, o.steps do
    local at = {}
    for k = 1, #w do at[k] = w[k] + o.lambda * p[k] end
    local slope = linear.times(A, at)
    for k = 1, #w do
      speed[k] = o.momentum * speed[k] + slope[k]
      at[k] = w[k] - o.lr * speed[k]
    end
    w = linear.to_simplex(at)
  end
  return w
end

---Make the gate.
---
---Update: sum of (w_k + lambda p_k) / (1 + lambda) grads[k] of the whole batch; w moves on the simplex by
---        projected steps on A, the products of the gradients on the two halves of the batch, divided by the
---        square of the mean
---        norm; p: preferences, 1/K each by default. A step costs two passes over a half besides.
---State:  w[NAME], from 1/K.
---Source: Xiao, Ban, Ji 2023, arXiv:2305.18409.
---@param opts? { lambda: number, lr: number, momentum: number, steps: integer, preference: table } default
---  0.3, 10,
---  0.5, 20; and those of gating/weighted.lua
---@return table gate
return function(opts)
  local specs = { lambda = { 0.3, 0 }, lr = { 10, 0 }, momentum = { 0.5, 0, 1 }, steps = { 20, 1 },
    preference = { any = "equal" } }
  return weighted("gating.sdmgrad", opts, specs, function(o)
    return function(M, view)
      local p, mean = numbers.preference(o.preference, view.names, 1 / #M), 0
      local A, kept, w = view.halves(), numbers.of(view.state, "w", view.names, 1 / #M), {}
      for a, name in ipairs(view.names) do
        w[a], mean = kept[name], mean + math.max(A[a][a], 0) ^ 0.5 / #M
      end
      for _, row in ipairs(A) do
        for l = 1, #row do row[l] = row[l] / (mean ^ 2 + 1e-8) end
      end
      w = steps(A, w, p, o)
      for a, name in ipairs(view.names) do
        kept[name], w[a] = w[a], (w[a] + o.lambda * p[a]) / (1 + o.lambda)
      end
      return w
    end
  end)
end
