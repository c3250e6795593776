-- Gates layer by layer: for every pair of losses a heat map of their cosines over the steps, one of what was
-- let through, and the layers that were most often in conflict.

local format = require "rille.report.format"
local html = require "rille.report.html"
local plot = require "rille.plot"

local gate_maps = {}

local MOST_COLUMNS, MOST_LAYERS = 120, 12

local function mean_of(stage, row, key, lo, hi)
  local sum, n = 0, 0
  for _, name in ipairs(row.members) do
    local spans = stage.layers[name][key]
    local v = spans and spans:mean(lo, hi)
    if v and v == v then sum, n = sum + v, n + 1 end
  end
  return n > 0 and sum / n or 0 / 0
end

-- Columns are spans of 1, 2, 4, ... steps, as the averages in memory are, so that no column stays empty.
local function table_of(stage, rows, key)
  local first, last, width = stage.step[1], stage.step[stage.n], 1
  while (last - first + 1) / width > MOST_COLUMNS do width = width * 2 end
  local columns, values, any = math.ceil((last - first + 1) / width), {}, false
  for r, row in ipairs(rows) do
    values[r] = {}
    for c = 1, columns do
      local lo = first + (c - 1) * width
      values[r][c] = mean_of(stage, row, key, lo, lo + width)
      any = any or values[r][c] == values[r][c]
    end
  end
  return any and values or nil, { first, first + columns * width }
end

-- "cos" of two losses, "cos_A_B" of each pair where there are more.
local function pairs_of(stage)
  local keys = {}
  for _, spans in pairs(stage.layers) do
    for key in pairs(spans) do
      if key:match "^cos" then keys[key] = true end
    end
  end
  local list = {}
  for key in pairs(keys) do list[#list + 1] = key end
  table.sort(list)
  return list
end

local function pair_name(stage, key)
  local names = {}
  for name in pairs(stage.losses) do names[#names + 1] = name end
  table.sort(names)
  for _, a in ipairs(names) do
    for _, b in ipairs(names) do
      if key == "cos_" .. a .. "_" .. b then return a .. " and " .. b end
    end
  end
  return "the tasks"
end

local function conflicts(stage)
  local list, rows = {}, {}
  for name, c in pairs(stage.conflicts) do
    if c.seen > 0 then list[#list + 1] = { name = name, share = c.below / c.seen } end
  end
  table.sort(list, function(a, b)
    if a.share ~= b.share then return a.share > b.share end
    return a.name < b.name
  end)
  for r = 1, math.min(#list, MOST_LAYERS) do
    rows[r] = "<li>" .. html.escape(list[r].name) .. " " .. format.percent(list[r].share) .. "</li>"
  end
  if #rows == 0 then return nil end
  local title = "Layers most often in conflict (share of steps and pairs of losses with a cosine below 0):"
  return html.p(title) .. "<ol>" .. table.concat(rows) .. "</ol>"
end

---Lay the maps of a stage behind its charts.
---@param stage table of report/log.lua
---@param rows { name: string, members: string[] }[]
---@param is_joined boolean whether rows stand for several layers
---@param charts string[]
function gate_maps.add(stage, rows, is_joined, charts)
  local names = {}
  for r, row in ipairs(rows) do names[r] = html.cut(row.name, 200) end
  local note = is_joined and "Layers are averaged by the beginning of their paths." or nil
  for _, key in ipairs(pairs_of(stage)) do
    local cos, lim = table_of(stage, rows, key)
    if cos then
      local title = ("%s: where %s agree (blue) and conflict (brown), layer by layer"):format(stage.name,
        pair_name(stage, key))
      charts[#charts + 1] = html.figure(plot.heat { values = cos, rows = names, xlim = lim,
        xlabel = "step of the run", label = "cosine" }, note, "wide", title)
    end
  end
  local open, lim = table_of(stage, rows, "open")
  if open then
    charts[#charts + 1] = html.figure(plot.heat { values = open, rows = names, xlim = lim, diverging = false,
      xlabel = "step of the run", label = "share open" }, note, "wide",
      stage.name .. ": share of steps let through, layer by layer")
  end
  charts[#charts + 1] = conflicts(stage)
end

return gate_maps
