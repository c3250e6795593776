-- What a run's stages trained and what that cost: the efficiency table of a run and of several beside each
-- other.

local curves = require "rille.report.curves"
local format = require "rille.report.format"
local html = require "rille.report.html"

local costs = {}

local function is_table(v) return type(v) == "table" and v or {} end

local function number(v) return format.is_number(v) and v or nil end

-- Of one stage of the log.
local function of_stage(stage)
  local e, last = stage.event, stage.epochs[#stage.epochs]
  local best = curves.best_epoch(stage)
  local seconds, to_best = number(e.seconds), number(e.seconds_to_best)
  return { name = stage.name, at_once = number(e.parameters_at_once) or number(e.parameters_trained),
    trained = number(e.parameters_trained), in_all = number(e.parameters_in_all),
    steps = stage.n, epochs = last and number(last.epoch), best = best,
    seconds = seconds, to_best = to_best, peak = number(e.peak_mib),
    reason = e.ended and (e.reason or "done") or "not ended" }
end

---What the stages cost, and the run in all: the most that was trained at once, all that was ever trained,
---and the way to the best weights of the last stage, the whole of the stages before it included.
---@param run table of report.read
---@return table[] stages, table total at_once, in_all, epochs, seconds (to the best), spent, steps,
---per_step (seconds, validation included), peak
function costs.of(run)
  local list, total = {}, { epochs = 0, seconds = 0, spent = 0, steps = 0 }
  for k, stage in ipairs(run.log.stages) do
    local c = of_stage(stage)
    list[k] = c
    total.at_once = math.max(total.at_once or 0, c.at_once or 0)
    total.in_all = math.max(total.in_all or 0, c.in_all or c.trained or 0)
    total.peak = math.max(total.peak or 0, c.peak or 0)
    local is_last = k == #run.log.stages
    total.epochs = total.epochs + (is_last and c.best or c.epochs or 0)
    total.seconds = total.seconds + (is_last and c.to_best or c.seconds or 0)
    total.spent, total.steps = total.spent + (c.seconds or 0), total.steps + (c.steps or 0)
  end
  total.per_step = total.steps > 0 and total.spent / total.steps or nil
  return list, total
end

local function row(c, plan)
  return { c.name, plan.trains and format.value(plan.trains) or "", format.count(c.at_once),
    format.count(c.trained), format.count(c.steps), format.count(c.epochs), format.count(c.best),
    format.seconds(c.to_best), format.seconds(c.seconds), format.mib(c.peak), html.cut(c.reason, 120) }
end

---The table of a run's stages.
---@param run table
---@return string empty without stages
function costs.section(run)
  local list, total = costs.of(run)
  if #list == 0 then return "" end
  local plans, rows = {}, {}
  for _, plan in ipairs(is_table(run.info.stages)) do
    if type(plan) == "table" and plan.name ~= nil then plans[tostring(plan.name)] = plan end
  end
  for k, c in ipairs(list) do rows[k] = row(c, plans[c.name] or {}) end
  if #rows > 1 then
    rows[#rows + 1] = { "in all", "", format.count(total.at_once), format.count(total.in_all), "", "",
      format.count(total.epochs), format.seconds(total.seconds), format.seconds(total.spent),
      format.mib(total.peak), "" }
  end
  local head = { "Stage", "Trains", "At once", "Trained", "Steps", "Epochs", "Best epoch", "Time to best",
    "Time", "Peak memory", "Ended by" }
  return "<h3>What each stage trained, and what it cost</h3>"
    .. html.table(head, rows, { left = { [2] = true, [11] = true } })
    .. html.p("At once and trained are numbers of parameters. In all: the most at once; all that any "
      .. "stage trained; epochs and time to the best weights of the last stage, with the stages before it.",
      "note")
end

---The columns that stand for a run beside others.
costs.COLUMNS = {
  { "Trained at once", "at_once", format.count }, { "Trained in all", "in_all", format.count },
  { "Epochs to best", "epochs", format.count }, { "Time to best", "seconds", format.seconds },
  { "Time", "spent", format.seconds }, { "Time per step", "per_step", format.seconds },
  { "Peak memory", "peak", format.mib } }

return costs
