-- GradProm: an auxiliary gradient promotes the main one only while both agree. Source: arXiv:2501.01114.

local asymmetric = require "rille.gating.asymmetric"
local check = require "rille.util.check"

local defaults = { mode = "hard", lambda = 1, floor = 0, reading = "each", scope = "all", layers = true }

---Make the gate. s_k is the cosine of grads[main] and grads[k] over all parameters that both reach.
---
---Update: grads[main] + sum of lambda f(s_k) grads[k]; hard: f = 1 if s >= floor, else 0; soft:
---        f = max(0, s). A parameter that the main loss does not reach gets every other gradient whole,
---        without lambda.
---        reading, for several auxiliaries: "each" on its own s_k; "any": all if one agrees; "all": all if
---        all agree; "joint": one cosine, with the sum of lambda_k grads[k].
---        scope "layer": one decision per layer instead of one for all.
---Shape:  grads[k][i] and update[i]: as parameter i. Cosines in f64; nothing is flattened.
---Units:  s has none; it lies in [-1, 1], and is 0 if either norm is 0 (a hard gate is then open).
---Record: cos, open (share of what was admitted), norm_main, norm_aux (of sum lambda_k grads[k]), ratio;
---        per layer.
---Raises: "gating.gradprom: ..." without a main loss, or when a gradient is not finite.
---Source: arXiv:2501.01114; soft is its lemma, the readings are ours.
---@param opts? { mode: string, lambda: number|table<string, number>, floor: number, reading: string,
---  scope: string }
---  default "hard", 1, 0, "each", "all"; layers = false: no record per layer
---@return fun(grads: rille.Tensor[][], ctx: table): rille.Tensor[], table update; record
return function(opts)
  local who = "gating.gradprom"
  local o = check.options(who, opts, defaults)
  check.word(who, "mode", o.mode, { "hard", "soft" })
  check.word(who, "reading", o.reading, { "each", "any", "all", "joint" })
  check.word(who, "scope", o.scope, { "all", "layer" })
  check.number(who, "floor", o.floor, -1, 1)
  if type(o.lambda) ~= "table" then check.number(who, "lambda", o.lambda, 0) end
  if o.mode == "soft" and (o.reading == "any" or o.reading == "all") then
    error(('%s: mode = "soft" weighs each cosine; reading = "%s" has no meaning there'):format(who,
      o.reading), 2)
  end
  local function hard(s) return s >= o.floor and 1 or 0 end
  local function soft(s) return math.max(0, s) end
  return asymmetric {
    who = who, admit = o.mode == "hard" and hard or soft, lambda = o.lambda, reading = o.reading,
      scope = o.scope,
    layers = o.layers,
  }
end
