-- plateau: the rate falls when nothing has become better for a while.

local check = require "rille.util.check"

local defaults = { patience = 10, factor = 0.1, threshold = 1e-4, cooldown = 0, lowest = 0, key = "best",
  name = "plateau" }

-- One finished epoch: `best` as the run knows it, lower if it became better.
local function count(s, o, best)
  local is_better = best ~= nil
    and (s.best == nil or math.abs(best - s.best) > o.threshold * math.abs(s.best))
  if is_better then
    s.best, s.bad = best, 0
  else
    s.bad = s.bad + 1
  end
  if s.rest > 0 then s.rest, s.bad = s.rest - 1, 0 end
  if s.bad > o.patience then
    s.falls, s.bad, s.rest = s.falls + 1, 0, o.cooldown
  end
end

---base * factor ^ (number of falls). After each epoch the run's best validation value (state.best) is looked
---at: more than `patience` epochs without a change for the better by a relative `threshold` make a fall;
---`cooldown` epochs after it do not count. What it remembers is in state.schedules[name], which a run saves;
---two plateaus in one stage need two names.
---@param base number
---@param opts? { patience: integer, factor: number, threshold: number, cooldown: integer, lowest: number,
---  name: string }
---@return fun(step: integer, state: table): number
return function(base, opts)
  check.number("schedule.plateau", "base", base)
  local o = check.options("schedule.plateau", opts, defaults)
  check.integer("schedule.plateau", "patience", o.patience, 0)
  check.number("schedule.plateau", "factor", o.factor, 0, 1)
  return function(_, state)
    if type(state) ~= "table" then error("schedule.plateau: needs the run's state, (step, state)", 2) end
    state.schedules = state.schedules or {}
    local s = state.schedules[o.name] or { epoch = 0, bad = 0, rest = 0, falls = 0 }
    state.schedules[o.name] = s
    if (state.epoch or 0) > s.epoch then
      s.epoch = state.epoch
      count(s, o, state[o.key])
    end
    return math.max(o.lowest, base * o.factor ^ s.falls)
  end
end
