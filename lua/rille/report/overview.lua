-- One picture of many variants: how each stands to all of them in every figure.

local figures = require "rille.report.figures"
local format = require "rille.report.format"
local html = require "rille.report.html"
local plot = require "rille.plot"

local overview = {}

local LEAST, REACH = 3, 2 -- variants; standard deviations at the ends of the colours

-- In standard deviations (over n) from the mean of all, above 0 where it is better.
local function standing(values, is_less_better)
  local n, sum, squares = 0, 0, 0
  for _, v in pairs(values) do n, sum = n + 1, sum + v end
  for _, v in pairs(values) do squares = squares + (v - sum / n) ^ 2 end
  local std, out = (squares / n) ^ 0.5, {}
  for k, v in pairs(values) do
    out[k] = std > 1e-12 * math.abs(sum / n) and (v - sum / n) / std * (is_less_better and -1 or 1) or 0
  end
  return out
end

---A heat map: a row per figure, a column per variant in their order.
---@param variants integer how many
---@param keys string[] figures
---@param mean fun(variant: integer, key: string): number? nil or NaN where there is none
---@return string? html nil for fewer than three variants, or without figures
function overview.section(variants, keys, mean)
  if variants < LEAST or #keys == 0 then return nil end
  local rows, values = {}, {}
  for r, key in ipairs(keys) do
    local list = {}
    for k = 1, variants do
      local v = mean(k, key)
      list[k] = format.is_number(v) and v or nil
    end
    local found = standing(list, figures.is_less_better(key))
    rows[r], values[r] = figures.name(key), {}
    for k = 1, variants do values[r][k] = found[k] or 0 / 0 end
  end
  return html.figure(plot.heat { values = values, rows = rows, xlim = { 0.5, variants + 0.5 },
    lo = -REACH, hi = REACH, title = "How the variants stand to each other", xlabel = "row of the table",
    label = "standard deviations from the mean of all" })
    .. html.p("Blue is better, brown worse, in every row. Column k is row k of the table above.", "note")
end

return overview
