-- Curves of each stage: losses per step, loss and metrics per epoch, rate and loss weights where they change.

local figures = require "rille.report.figures"
local format = require "rille.report.format"
local html = require "rille.report.html"
local plot = require "rille.plot"
local scale = require "rille.plot.scale"

local curves = {}

local SHORT = 120 -- steps up to which a curve is drawn as it is

---Mean over a window around each position; values that are not finite are passed over.
---@param y number[]
---@param window integer odd
---@return number[]
function curves.smooth(y, window)
  local sum, count, half, out = { [0] = 0 }, { [0] = 0 }, window // 2, {}
  for i = 1, #y do
    local ok = y[i] == y[i] and math.abs(y[i]) < math.huge
    sum[i], count[i] = sum[i - 1] + (ok and y[i] or 0), count[i - 1] + (ok and 1 or 0)
  end
  for i = 1, #y do
    local a, b = math.max(1, i - half), math.min(#y, i + half)
    local n = count[b] - count[a - 1]
    out[i] = n > 0 and (sum[b] - sum[a - 1]) / n or 0 / 0
  end
  return out
end

---The series of one noisy curve: all steps thin, the running mean thick; a short one as it is.
---@param list table[] takes them
---@param o { name: string, x: number[], y: number[], colour: integer }
---@return integer? window
function curves.noisy(list, o)
  local n = #o.y
  if n <= SHORT then
    list[#list + 1] = o
    return nil
  end
  local window = math.min(501, n // 40 | 1)
  list[#list + 1] = { x = o.x, y = o.y, faint = true, colour = o.colour }
  list[#list + 1] = { name = o.name, x = o.x, y = curves.smooth(o.y, window), colour = o.colour }
  return window
end

---What the thin and the thick line are.
---@param window integer?
---@return string?
function curves.note(window)
  return window and string.format("Thin: every step. Thick: running mean over %d steps.", window) or nil
end

local function is_wide_range(lists)
  local lo, hi = scale.range(lists)
  return lo ~= nil and lo > 0 and hi / lo > 30
end

local function losses(stage)
  local names, series, lists, window = figures.keys(stage.losses), {}, {}, nil
  for k, name in ipairs(names) do
    lists[k] = stage.losses[name]
    window = curves.noisy(series, { name = name, x = stage.step, y = lists[k], colour = k })
  end
  if #names ~= 1 and scale.range { stage.total } then
    lists[#lists + 1] = stage.total
    local total = { name = "weighted sum", x = stage.step, y = stage.total, colour = #names + 1 }
    window = curves.noisy(series, total)
  end
  if not scale.range(lists) then return nil end
  local is_log = is_wide_range(lists)
  local chart = plot.line { series = series, title = stage.name .. ": losses per step", integer = true,
    xlabel = "step of the run", ylabel = is_log and "loss, logarithmic" or "loss", ylog = is_log }
  return html.figure(chart, curves.note(window))
end

local function column(stage, part, key)
  local x, y = {}, {}
  for i, e in ipairs(stage.epochs) do
    local v = e[part][key]
    x[i], y[i] = e.epoch, math.type(v) and v or 0 / 0
  end
  return x, y
end

-- Whether a stage's sum of losses is its only loss, so that one of the two curves would hide the other.
local function is_double(stage, key)
  local name = next(stage.losses)
  if key ~= "loss" or not name or name == key or next(stage.losses, name) then return false end
  for _, e in ipairs(stage.epochs) do
    for _, part in ipairs { "val", "train" } do
      if e[part].loss ~= e[part][name] then return false end
    end
  end
  return true
end

-- Losses share a chart, metrics between -1 and 1 share another, everything else has its own.
local function epoch_groups(stage)
  local seen, groups, by_name = {}, {}, {}
  for _, e in ipairs(stage.epochs) do
    for _, part in ipairs { "val", "train" } do
      for _, key in ipairs(figures.keys(e[part])) do seen[key] = true end
    end
  end
  for _, key in ipairs(figures.keys(seen)) do
    local _, val = column(stage, "val", key)
    local _, train = column(stage, "train", key)
    local lo, hi = scale.range { val, train }
    local is_loss = key == "loss" or stage.losses[key] ~= nil
    local name = is_loss and "loss" or lo and lo >= -1 and hi <= 1 and "metrics" or key
    if lo and not by_name[name] then
      by_name[name] = { name = name, keys = {} }
      groups[#groups + 1] = by_name[name]
    end
    if lo and not is_double(stage, key) then table.insert(by_name[name].keys, key) end
  end
  return groups
end

---The epoch a stage's weights are kept from: as the stage's end says, else the last one that was best.
---@param stage table
---@return number?
function curves.best_epoch(stage)
  local best = stage.event.best_epoch
  if format.is_number(best) then return best end
  for i = #stage.epochs, 1, -1 do
    if stage.epochs[i].best then return stage.epochs[i].epoch end
  end
end

local PARTS = { { "val", "validation " }, { "train", "train " } }

local function epochs(stage, group)
  local series = {}
  for _, key in ipairs(group.keys) do
    for _, part in ipairs(PARTS) do
      local x, y = column(stage, part[1], key)
      local name = part[2] .. figures.name(key)
      if scale.range { y } then series[#series + 1] = { name = name, x = x, y = y } end
    end
  end
  local best, what = curves.best_epoch(stage), figures.name(group.name)
  local title = string.format("%s: %s per epoch", stage.name, what)
  if best then title = string.format("%s, best epoch %.0f", title, best) end
  local rules = best and { { at = best, text = "best" } } or nil
  return html.figure(plot.line { series = series, title = title, xlabel = "epoch", ylabel = what,
    integer = true, markers = true, rules = rules })
end

local function changes(list)
  local lo, hi = scale.range { list }
  return lo ~= nil and hi - lo > 1e-9 * math.max(math.abs(lo), math.abs(hi)), lo
end

local function rate(stage, constant)
  local is_changing, lo = changes(stage.lr)
  if is_changing then
    return html.figure(plot.line { series = { { x = stage.step, y = stage.lr } }, integer = true,
      title = stage.name .. ": learning rate per step", xlabel = "step of the run", ylabel = "rate",
      ylog = is_wide_range { stage.lr } })
  end
  if lo then constant[#constant + 1] = "learning rate " .. scale.text(lo) end
end

local function weights(stage, constant)
  local series, names = {}, figures.keys(stage.weights)
  local fixed = {}
  for k, name in ipairs(names) do
    local is_changing, lo = changes(stage.weights[name])
    if is_changing then
      series[#series + 1] = { name = name, x = stage.step, y = stage.weights[name], colour = k }
    elseif lo then
      fixed[#fixed + 1] = name .. " " .. scale.text(lo)
    end
  end
  if #fixed > 0 then constant[#constant + 1] = "loss weights " .. table.concat(fixed, ", ") end
  if #series == 0 then return nil end
  return html.figure(plot.line { series = series, title = stage.name .. ": weight of each loss per step",
    xlabel = "step of the run", ylabel = "weight", integer = true })
end

-- What a recipe logs at every step: PLACE.WHAT of all places in one chart, a chart for each WHAT.
local function telemetry(stage, charts)
  local groups, order = {}, {}
  for _, name in ipairs(figures.keys(stage.telemetry)) do
    local what = name:match "([^.]+)$"
    if not groups[what] then groups[what], order[#order + 1] = {}, what end
    table.insert(groups[what], name)
  end
  table.sort(order)
  for _, what in ipairs(order) do
    local series, lists, window = {}, {}, nil
    for k, name in ipairs(groups[what]) do
      lists[k] = stage.telemetry[name]
      window = curves.noisy(series, { name = name, x = stage.step, y = lists[k], colour = k })
    end
    if scale.range(lists) then
      charts[#charts + 1] = html.figure(plot.line { series = series, integer = true,
        title = ("%s: %s per step"):format(stage.name, what), xlabel = "step of the run", ylabel = what,
        ylog = is_wide_range(lists) }, curves.note(window))
    end
  end
end

local function stage_section(stage)
  local charts, constant = {}, {}
  charts[1] = stage.n > 0 and losses(stage) or nil
  for _, group in ipairs(epoch_groups(stage)) do charts[#charts + 1] = epochs(stage, group) end
  telemetry(stage, charts)
  charts[#charts + 1] = rate(stage, constant)
  charts[#charts + 1] = weights(stage, constant)
  if #charts == 0 then return nil end
  local note = #constant > 0 and html.p("Constant: " .. table.concat(constant, "; ") .. ".", "note") or ""
  return "<h3>Stage " .. html.escape(stage.name) .. "</h3>" .. html.grid(charts) .. note
end

---The section.
---@param run table
---@return string? nil when no stage logged anything to draw
function curves.section(run)
  local out = {}
  for _, stage in ipairs(run.log.stages) do out[#out + 1] = stage_section(stage) end
  return #out > 0 and table.concat(out) or nil
end

return curves
