-- GradProm: an auxiliary gradient promotes the main one only while both agree. Source: arXiv:2501.01114.

local asymmetric = require "rille.gating.asymmetric"
local check = require "rille.util.check"
local options = require "rille.gating.options"

local specs = {
  mode = { "hard", "soft" }, lambda = { any = 1 }, inside = true, floor = { 0, -1, 1 },
  reading = { "each", "any", "all", "joint" }, phi = { "trained", "gated", "fixed" },
  every = { "step", "epoch" },
  smooth = { 0, 0, 1 }, scope = { any = "all" }, params = { any = "*" }, layers = true,
}

---Make the gate. s_k is the cosine of grads[main] and grads[k] over all parameters that both reach.
---
---Update: grads[main] + sum of lambda f(s_k) grads[k]; hard: f = 1 if s >= floor, else 0; soft:
---        f = max(0, s), the paper's lemma (which has no lambda: lambda = 1).
---        reading, for several auxiliaries: "each" on its own s_k; "any": all if one agrees; "all": all if
---        all agree; "joint": one cosine, with the sum of lambda_k grads[k] (inside = false: with the plain
---        sum; for one auxiliary lambda makes no difference to a cosine).
---        phi, the parameters that the main loss does not reach: "trained" gives them every other gradient
---        whole, without lambda; "gated" f(s_k) of it, the lemma taken literally; "fixed" nothing. every =
---        "epoch": the mean cosine of the epoch before decides (the first epoch: each step's own); smooth: a
---        moving average of the cosine does.
---        scope: one decision for "all", per "layer", "tensor", or for groups { trunk = "encoder. neck." };
---        params: prefixes of what the gate is about; the rest is simply added.
---Shape:  grads[k][i] and update[i]: as parameter i. Cosines in f64; nothing is flattened.
---Units:  s has none; it lies in [-1, 1], and is 0 if either norm is 0 (a hard gate is then open).
---Record: cos, open (share of what was admitted), norm_main, norm_aux (of sum lambda_k grads[k]), ratio;
---        per layer.
---State:  mean, or sums, steps and before, by unit, where smooth or every need them.
---Raises: "gating.gradprom: ..." without a main loss, or when a gradient is not finite.
---Source: arXiv:2501.01114; soft is its lemma, the other readings are ours.
---@param opts? { mode: string, lambda: number|table<string, number>, inside: boolean, floor: number,
---  reading: string, phi: string, every: string, smooth: number, scope: string|table, params: string,
---  layers: boolean } defaults: the first named of each, 1, true, 0, "each", "trained", "step", 0, "all",
---  "*", true
---@return table gate
return function(opts)
  local who = "gating.gradprom"
  local o = options(who, opts, specs)
  if type(o.lambda) ~= "table" then check.number(who, "lambda", o.lambda, 0) end
  if o.mode == "soft" and (o.reading == "any" or o.reading == "all") then
    error(('%s: mode = "soft" weighs each cosine; reading = "%s" has no meaning there'):format(who,
      o.reading), 2)
  end
  local function hard(s) return s >= o.floor and 1 or 0 end
  local function soft(s) return math.max(0, s) end
  o.who, o.admit = who, o.mode == "hard" and hard or soft
  return asymmetric(o)
end
