-- CR-MOGM: a moving average of another rule's weights. Source: Zhou et al., NeurIPS 2022.

---Make the gate: `rule`, any of those whose weights depend on inner products alone, with smooth = 0.9, and
---the rule's own options beside.
---
---State:  smoothed[NAME], the weights; the first step has the rule's own.
---Raises: "gating.cr_mogm: ..." for a rule that has no weights to smooth.
---Source: Zhou et al. 2022, On the Convergence of Stochastic Multi-Objective Gradient Manipulation and
---        Beyond.
---@param opts? { rule: string, smooth: number } default "mgda", 0.9
---@return table gate
return function(opts)
  local rest = { smooth = 0.9 }
  for key, v in pairs(opts or {}) do rest[key] = v end
  local name = rest.rule or "mgda"
  rest.rule = nil
  local maker = rawget(require "rille.gating", name)
  if name == "cr_mogm" or not maker or not maker().smooths then
    local text = 'gating.cr_mogm: "%s" is no rule with weights to smooth; write { "cr_mogm", rule = "mgda" }'
    error(text:format(tostring(name)), 0)
  end
  return maker(rest)
end
