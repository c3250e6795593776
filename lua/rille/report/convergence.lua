-- How soon a stage was there: the first epoch whose validation Dice is 99 % of the last one's.

local format = require "rille.report.format"
local html = require "rille.report.html"

local convergence = {}

---The first epoch in which a validation figure, of which more is better, reaches a share of its last value.
---@param stage table of the log, with epochs
---@param name string of the figure
---@param share? number default 0.99
---@return number? epoch nil where the figure was not watched
---@return number? step of the run at its end
function convergence.reached(stage, name, share)
  local last
  for _, e in ipairs(stage.epochs) do last = format.is_number(e.val[name]) and e.val[name] or last end
  if not last then return nil end
  for _, e in ipairs(stage.epochs) do
    if format.is_number(e.val[name]) and e.val[name] >= (share or 0.99) * last then return e.epoch, e.step end
  end
end

---A line for each stage that drew masks.
---@param run table
---@return string html, empty where there is none
function convergence.lines(run)
  local out = {}
  for _, stage in ipairs(run.log.stages) do
    local epoch, step = convergence.reached(stage, "dice")
    if epoch then
      local text = "%s: validation Dice first reached 99 %% of its last value in epoch %s, step %s."
      out[#out + 1] = html.p(text:format(stage.name, format.count(epoch), format.count(step)), "note")
    end
  end
  return table.concat(out)
end

return convergence
