-- Aligned-MTL: the gradients' principal components are brought to one length. Source: arXiv:2305.19000.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local weighted = require "rille.gating.weighted"

local function scale_of(M, which)
  local values, top, kept = linear.eigen(M), 0, {}
  for _, v in ipairs(values) do top = math.max(top, v) end
  for _, v in ipairs(values) do
    if v > 1e-12 * top then kept[#kept + 1] = v end
  end
  table.sort(kept)
  if which == "min" then return kept[1] end
  local sum = 0
  for _, v in ipairs(kept) do sum = sum + v end
  return sum / #kept
end

---Make the gate.
---
---Update: sum of w_k grads[k], w = sqrt(scale) M^(-1/2) p over the eigenvalues of M that are not 0; scale is
---        the smallest of these ("min", the paper's) or their mean ("rmse", the authors' code), p the
---        preferences,
---        1/K each by default.
---Source: Senushkin et al. 2023, arXiv:2305.19000.
---@param opts? { scale: "min"|"rmse", preference: table<string, number> } and those of gating/weighted.lua
---@return table gate
return function(opts)
  local specs = { scale = { "min", "rmse" }, preference = { any = "equal" } }
  return weighted("gating.aligned_mtl", opts, specs, function(o)
    return function(M, view)
      local p = numbers.preference(o.preference, view.names, 1 / #M)
      local scale = scale_of(M, o.scale) ^ 0.5
      return linear.through(M, p, function(v) return scale / v ^ 0.5 end)
    end
  end)
end
