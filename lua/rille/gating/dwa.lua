-- DWA: losses that fall slowly weigh more. Source: arXiv:1803.10704.

local linear = require "rille.gating.linear"
local scaled = require "rille.gating.scaled"

-- Sums of the epoch at work; at the first step of the next they become the newest means.
local function turn(state, epoch, names)
  if state.epoch == epoch then return end
  if state.epoch and state.steps > 0 then
    local mean = {}
    for _, name in ipairs(names) do mean[name] = (state.sums[name] or 0) / state.steps end
    state.older, state.newer = state.newer, mean
  end
  state.epoch, state.steps, state.sums = epoch, 0, {}
end

---Make the gate.
---
---Update: sum of w_k grads[k], w = K softmax(r / T), r_k the mean loss of the epoch before over that of the
---        one before it; 1 in the first two epochs.
---State:  older[NAME], newer[NAME] (means), sums, steps, epoch.
---Source: Liu, Johns, Davison 2019, arXiv:1803.10704.
---@param opts? { T: number } default 2; and those of gating/scaled.lua
---@return table gate
return function(opts)
  return scaled("gating.dwa", opts, { T = { 2, 1e-6 } }, function(o)
    return function(L, view)
      local state, r = view.state, {}
      turn(state, view.epoch, view.names)
      state.steps = state.steps + 1
      for k, name in ipairs(view.names) do
        state.sums[name] = (state.sums[name] or 0) + L[k]
        r[k] = state.older and state.newer[name] / state.older[name] / o.T
      end
      if not state.older then return linear.full(#L, 1) end
      local w = linear.softmax(r)
      for k = 1, #w do w[k] = w[k] * #w end
      return w
    end
  end)
end
