-- none: joint training, every loss moves all it reaches.

local core = require "rille.core"
local check = require "rille.util.check"
local measure = require "rille.gating.measure"

---Make the gate that adds all gradients.
---
---Update: sum over k of grads[k].
---Record: with two losses their cosine and norms, over the parameters that both reach; the first, or the main
---        one, is norm_main.
---@param opts? { layers: boolean } record per layer, default true
---@return fun(grads: rille.Tensor[][], ctx: table): rille.Tensor[], table update; record
return function(opts)
  local o = check.options("gating.none", opts, { layers = true })
  return function(grads, ctx)
    local record, ones = { open = 1 }, {}
    for k = 1, #grads do ones[k] = 1 end
    if #grads == 2 then
      local m, main = measure.take("gating.none", grads, ctx), ctx.main or 1
      local other = { [3 - main] = 1 }
      local r = measure.against(m, main, other)
      record.cos, record.norm_main, record.norm_aux = r.cos, r.norm_main, r.norm_aux
      if o.layers then measure.log_layers(record, m, main, other) end
    end
    return core.combine(grads, ones), record
  end
end
