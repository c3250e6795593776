-- What the gates saw and decided: cosine and norm ratio of the gradients per step, the share of steps let
-- through, and the same layer by layer over time.

local curves = require "rille.report.curves"
local format = require "rille.report.format"
local gate_maps = require "rille.report.gate_maps"
local html = require "rille.report.html"
local plot = require "rille.plot"
local scale = require "rille.plot.scale"

local gates = {}

local MOST_ROWS = 60

-- "layer10" after "layer9": numbers inside names are compared as numbers.
local function natural(name)
  return (name:gsub("%d+", function(digits) return ("0"):rep(12 - #digits) .. digits end))
end

local function model_ranks(run)
  local ranks = {}
  for k, model in ipairs(type(run.info.models) == "table" and run.info.models or {}) do
    if type(model) == "table" then ranks[tostring(model.name)] = k end
  end
  return ranks
end

---Layer names in the order of the models, then by name, numbers as numbers.
---@param layers table<string, any>
---@param ranks table<string, integer> place of each model
---@return string[]
function gates.order(layers, ranks)
  local names, keys = {}, {}
  for name in pairs(layers) do
    name = tostring(name)
    names[#names + 1] = name
    keys[name] = ("%06d "):format(ranks[name:match("^[^.]*")] or 999999) .. natural(name)
  end
  table.sort(names, function(a, b) return keys[a] < keys[b] end)
  return names
end

local function prefix(name, depth)
  local at = 0
  for _ = 1, depth do
    local dot = name:find(".", at + 1, true)
    if not dot then return name end
    at = dot
  end
  return name:sub(1, at - 1)
end

local function grouped(names, depth)
  local rows, by_name = {}, {}
  for _, name in ipairs(names) do
    local short = prefix(name, depth)
    if not by_name[short] then
      by_name[short] = { name = short, members = {} }
      rows[#rows + 1] = by_name[short]
    end
    table.insert(by_name[short].members, name)
  end
  return rows
end

---Join layers by the beginning of their paths until at most `most` rows are left.
---@param names string[]
---@param most integer
---@return { name: string, members: string[] }[] rows, boolean is_joined
function gates.rows(names, most)
  local deepest = 1
  for _, name in ipairs(names) do deepest = math.max(deepest, 1 + select(2, name:gsub("%.", ""))) end
  local rows
  for depth = deepest, 1, -1 do
    rows = grouped(names, depth)
    if #rows <= most then break end
  end
  return rows, #rows < #names
end

local function noisy_chart(stage, key, o)
  local y = stage.gate[key]
  if not y or not scale.range({ y }, o.ylog) then return nil end
  local series = {}
  local window = curves.noisy(series, { x = stage.step, y = y, colour = 1 })
  o.series, o.xlabel, o.integer, o.title = series, "step of the run", true, stage.name .. ": " .. o.title
  return html.figure(plot.line(o), curves.note(window))
end

local REACHES = { 0.02, 0.05, 0.1, 0.2, 0.5, 1 }

-- Cosines around 0, as far as they reach.
local function cosine_chart(stage)
  local lo, hi = scale.range { stage.gate.cos or {} }
  if not lo then return nil end
  local reach = 1
  for k = #REACHES, 1, -1 do
    if math.max(-lo, hi) <= REACHES[k] then reach = REACHES[k] end
  end
  return noisy_chart(stage, "cos", { title = "cosine between the tasks' gradients", ylabel = "cosine",
    ylim = { -reach, reach }, zero = true })
end

local function share_chart(stage)
  local y = stage.gate.open
  if not y or not scale.range { y } then return nil end
  local window = math.min(501, math.max(5, stage.n // 20)) | 1
  local chart = plot.line { series = { { x = stage.step, y = curves.smooth(y, window) } }, ylim = { 0, 1 },
    title = stage.name .. ": share of steps let through", xlabel = "step of the run", ylabel = "share open",
    integer = true }
  return html.figure(chart, string.format("Running mean over %d steps.", window))
end

-- What a rule made of the losses' weights, where it weighs them.
local function weights_chart(stage)
  local series, names, lists = {}, {}, {}
  for key in pairs(stage.gate) do names[#names + 1] = key:match "^weight_(.*)$" end
  table.sort(names)
  for k, name in ipairs(names) do
    local y = stage.gate["weight_" .. name]
    lists[k], series[k] = y, { x = stage.step, y = y, colour = k, name = name }
  end
  if #names == 0 or not scale.range(lists) then return nil end
  return html.figure(plot.line { series = series, title = stage.name .. ": weights of the losses' gradients",
    xlabel = "step of the run", ylabel = "weight", integer = true })
end

local function mean(list, take)
  local sum, n = 0, 0
  for _, v in ipairs(list or {}) do
    if v == v then sum, n = sum + take(v), n + 1 end
  end
  return n > 0 and sum / n or nil
end

local function sentence(stage)
  local gate, out = stage.gate, {}
  local open = mean(gate.open, function(v) return v end)
  local cos = mean(gate.cos, function(v) return v end)
  local against = mean(gate.cos, function(v) return v < 0 and 1 or 0 end)
  if open then
    local text = "Over %s gated steps the auxiliary gradient was let through in %s."
    out[1] = text:format(format.count(stage.gated), format.percent(open))
  end
  if cos then
    out[#out + 1] = string.format("Mean cosine %s; the tasks conflicted (cosine below 0) in %s of the steps.",
      format.metric(cos), format.percent(against))
  end
  return table.concat(out, " ")
end

---A gate as a recipe names it: "gradprom (main = ce)".
---@param gate any
---@return string
function gates.name(gate)
  if type(gate) ~= "table" then return gate == nil and "" or tostring(gate) end
  local rest = {}
  for k, v in pairs(gate) do
    local is_name = k == 1 or k == "1" or k == "name"
    if not is_name then rest[#rest + 1] = tostring(k) .. " = " .. format.value(v) end
  end
  table.sort(rest)
  local name = tostring(gate[1] or gate["1"] or gate.name or "gate")
  return #rest > 0 and name .. " (" .. table.concat(rest, ", ") .. ")" or name
end

local function gate_of(run, stage)
  for _, plan in ipairs(type(run.info.stages) == "table" and run.info.stages or {}) do
    if type(plan) == "table" and tostring(plan.name) == stage.name then return gates.name(plan.gate) end
  end
  return ""
end

local function stage_section(run, stage)
  local small, wide = {}, {}
  small[1] = cosine_chart(stage)
  small[#small + 1] = share_chart(stage)
  small[#small + 1] = noisy_chart(stage, "ratio", { ylabel = "norm of auxiliary / norm of main, logarithmic",
    title = "size of the auxiliary gradient beside the main one", ylog = true })
  small[#small + 1] = weights_chart(stage)
  if next(stage.layers) then
    local rows, is_joined = gates.rows(gates.order(stage.layers, model_ranks(run)), MOST_ROWS)
    gate_maps.add(stage, rows, is_joined, wide)
  end
  local name = gate_of(run, stage)
  local title = stage.name .. (name ~= "" and ", gate " .. name or "")
  return "<h3>Stage " .. html.escape(title) .. "</h3>" .. html.p(sentence(stage)) .. html.grid(small) ..
    table.concat(wide)
end

---The section.
---@param run table
---@return string? nil when no stage was gated
function gates.section(run)
  local out = {}
  for _, stage in ipairs(run.log.stages) do
    if stage.gated > 0 and stage.n > 0 then out[#out + 1] = stage_section(run, stage) end
  end
  return #out > 0 and table.concat(out) or nil
end

return gates
