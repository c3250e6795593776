-- rl.schedule: rates and weights as functions of (step, state). The first step is 1; t = step - 1 have been
-- made. A schedule holds no state of its own: plateau keeps its numbers in state.schedules, which runs save.

local check = require "rille.util.check"

local schedule = {}

---@param v number
function schedule.constant(v)
  check.number("schedule.constant", "v", v)
  return function() return v end
end

---base * gamma ^ (t // every): lower by a factor every so many steps.
---@param base number
---@param every integer steps
---@param gamma? number default 0.1
function schedule.step(base, every, gamma)
  check.number("schedule.step", "base", base)
  check.integer("schedule.step", "every", every, 1)
  gamma = check.number("schedule.step", "gamma", gamma or 0.1, 0)
  return function(step) return base * gamma ^ ((step - 1) // every) end
end

---base * gamma for each milestone that t has reached.
---@param base number
---@param milestones integer[] steps
---@param gamma? number default 0.1
function schedule.multistep(base, milestones, gamma)
  check.number("schedule.multistep", "base", base)
  gamma = check.number("schedule.multistep", "gamma", gamma or 0.1, 0)
  return function(step)
    local passed = 0
    for _, m in ipairs(milestones) do passed = passed + (step - 1 >= m and 1 or 0) end
    return base * gamma ^ passed
  end
end

---base * gamma for each share of a stage's length that t has reached.
---@param base number
---@param ends { steps: integer?, epochs: integer? } the stage's own
---@param shares number[] between 0 and 1
---@param gamma? number default 0.1
function schedule.shares(base, ends, shares, gamma)
  local who = "schedule.shares"
  check.number(who, "base", base)
  gamma = check.number(who, "gamma", gamma or 0.1, 0)
  if type(ends) ~= "table" or not (ends.steps or ends.epochs) then
    error(who .. ": ends says steps or epochs, as the stage does", 2)
  end
  return function(step, state)
    local length, passed = ends.steps or ends.epochs * state.steps_per_epoch, 0
    for _, share in ipairs(shares) do passed = passed + (step - 1 >= share * length and 1 or 0) end
    return base * gamma ^ passed
  end
end

---lowest + (base - lowest) (1 + cos(pi t / T)) / 2; from T on it stays at lowest.
---@param base number
---@param steps integer T
---@param opts? { lowest: number } default 0
function schedule.cosine(base, steps, opts)
  local o = check.options("schedule.cosine", opts, { lowest = 0 })
  check.number("schedule.cosine", "base", base)
  check.integer("schedule.cosine", "steps", steps, 1)
  return function(step)
    local t = math.min(step - 1, steps)
    return o.lowest + (base - o.lowest) * (1 + math.cos(math.pi * t / steps)) / 2
  end
end

---t < W: base t / W; then with q = (1 + cos(pi (t - W) / P)) / 2: base q + 0.001 base (1 - q); P = T - W.
---@param base number
---@param warm integer W, steps
---@param steps integer T
---@param opts? { lowest: number, period: integer } lowest: as a share of base, default 0.001; period: P; T
---  itself as the released code of MLVICX has it, so that the last rate is not the lowest
function schedule.warmup_cosine(base, warm, steps, opts)
  local o = check.options("schedule.warmup_cosine", opts, { lowest = 0.001, period = check.none })
  check.number("schedule.warmup_cosine", "base", base)
  check.integer("schedule.warmup_cosine", "warm", warm, 0)
  check.integer("schedule.warmup_cosine", "steps", steps, warm + 1)
  local period = check.integer("schedule.warmup_cosine", "period", o.period or steps - warm, 1)
  return function(step)
    local t = math.min(step - 1, steps)
    if t < warm then return base * t / warm end
    local q = (1 + math.cos(math.pi * math.min(t - warm, period) / period)) / 2
    return base * (q + o.lowest * (1 - q))
  end
end

---Cosines that begin anew (SGDR, arXiv:1608.03983): from base to lowest over `first` steps, then over
---`first * times`, and so on; each begins at base.
---@param base number
---@param first integer steps of the first period
---@param opts? { times: number, lowest: number } default 2, 0
function schedule.warm_restarts(base, first, opts)
  local o = check.options("schedule.warm_restarts", opts, { times = 2, lowest = 0 })
  check.number("schedule.warm_restarts", "base", base)
  check.integer("schedule.warm_restarts", "first", first, 1)
  check.number("schedule.warm_restarts", "times", o.times, 1)
  return function(step)
    local t, period = step - 1, first
    while t >= period do t, period = t - period, period * o.times end
    return o.lowest + (base - o.lowest) * (1 + math.cos(math.pi * t / period)) / 2
  end
end

---From `from` to `to` in equal parts: from + (to - from) min(1, step / steps).
---@param to number
---@param steps integer
---@param opts? { from: number } default 0
function schedule.ramp(to, steps, opts)
  local o = check.options("schedule.ramp", opts, { from = 0 })
  check.number("schedule.ramp", "to", to)
  check.integer("schedule.ramp", "steps", steps, 1)
  return function(step) return o.from + (to - o.from) * math.min(1, step / steps) end
end

schedule.plateau = require "rille.schedule.plateau"

return schedule
