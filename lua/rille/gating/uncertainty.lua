-- Uncertainty weighting: each loss has a learnt noise. Source: arXiv:1705.07115.

local numbers = require "rille.gating.numbers"
local scaled = require "rille.gating.scaled"

local function is_among(name, words) return (" " .. words .. " "):find(" " .. name .. " ", 1, true) ~= nil end

---Make the gate.
---
---Loss:   sum of exp(-s_k) L_k / 2 + s_k / 2; for the names in `classification` (with spaces between)
---        exp(-s_k) L_k + s_k / 2. s_k = ln of the variance, learnt by Adam at rate lr (default: the stage's
---        own).
---State:  s[NAME], and Adam's moments. Record: weight_NAME and s_NAME as they were at this step.
---Source: Kendall, Gal, Cipolla 2018, arXiv:1705.07115.
---@param opts? { classification: string, start: number, lr: number } default "", 0; and those of
---  gating/scaled.lua
---@return table gate
return function(opts)
  local specs = { classification = { any = "" }, start = { 0 }, lr = { 0, 0 } }
  return scaled("gating.uncertainty", opts, specs, function(o)
    return function(L, view)
      local s, w, slopes, extra = numbers.of(view.state, "s", view.names, o.start), {}, {}, {}
      for k, name in ipairs(view.names) do
        local factor = is_among(name, o.classification) and 1 or 0.5
        w[k], extra["s_" .. name] = factor * math.exp(-s[name]), s[name]
        slopes[name] = 0.5 - w[k] * L[k]
      end
      numbers.adam(view.state, "s", slopes, o.lr > 0 and o.lr or view.lr or 1e-3)
      return w, extra
    end
  end)
end
