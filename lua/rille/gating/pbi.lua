-- PBI: along a preferred direction, with a penalty for leaving it. Source: MOEA/D, IEEE TEVC 2007.

local linear = require "rille.gating.linear"
local numbers = require "rille.gating.numbers"
local scaled = require "rille.gating.scaled"

---Make the gate.
---
---Loss:   d1 + theta d2; with f = L - ideal and the unit preference p, d1 = <f, p>, d2 = sqrt(|f - d1 p|^2 +
---        1e-12).
---        A weight may be negative where a loss is far below its share. preference: 1 each by default; ideal:
---        a lower bound per loss, 0.
---Source: Zhang and Li 2007, MOEA/D.
---@param opts? { theta: number, preference: table<string, number>, ideal: table<string, number> } default 5;
---  and
---  those of gating/scaled.lua
---@return table gate
return function(opts)
  local specs = { theta = { 5, 0 }, preference = { any = "equal" }, ideal = { any = 0 } }
  return scaled("gating.pbi", opts, specs, function(o)
    return function(L, view)
      local p = numbers.preference(o.preference, view.names, 1)
      local z = numbers.preference(o.ideal, view.names, 0)
      local size, f, off, w = linear.dot(p, p) ^ 0.5, {}, {}, {}
      for k = 1, #L do f[k], p[k] = L[k] - z[k], p[k] / size end
      local d1 = linear.dot(f, p)
      for k = 1, #L do off[k] = f[k] - d1 * p[k] end
      local d2 = (linear.dot(off, off) + 1e-12) ^ 0.5
      for k = 1, #L do w[k] = p[k] + o.theta * off[k] / d2 end
      return w, { d1 = d1, d2 = d2 }
    end
  end)
end
