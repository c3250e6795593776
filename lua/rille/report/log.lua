-- The records of log.jsonl, gathered by stage: columns of numbers per step, lists of epochs, events and
-- warnings. A stage's layers are averaged over spans of steps while reading: a long log needs little memory.

local Spans = require "rille.report.spans"

local NAN = 0 / 0

local Log = {}
Log.__index = Log

---@return table log empty
function Log.new() return setmetatable({ stages = {}, by_name = {}, warnings = {} }, Log) end

local function number(v) return math.type(v) and v + 0.0 or NAN end

local function is_table(v) return type(v) == "table" and v or {} end

local function new_stage(name)
  return { name = name, n = 0, step = {}, epoch = {}, total = {}, lr = {}, losses = {}, weights = {},
    gate = {}, gated = 0, telemetry = {}, epochs = {}, event = {}, layers = {}, conflicts = {} }
end

local function stage_of(self, record)
  local name = tostring(record.stage or "run")
  local stage = self.by_name[name]
  if not stage then
    stage = new_stage(name)
    self.by_name[name] = stage
    self.stages[#self.stages + 1] = stage
  end
  return stage
end

local function put(columns, name, i, value)
  local column = columns[name]
  if not column then
    column = {}
    for k = 1, i - 1 do column[k] = NAN end
    columns[name] = column
  end
  for k = #column + 1, i - 1 do column[k] = NAN end
  column[i] = number(value)
end

-- After a resume the steps since the checkpoint stand in the log twice; the later ones count.
local function rewind(stage, step)
  while stage.n > 0 and stage.step[stage.n] >= step do stage.n = stage.n - 1 end
end

local function share(open)
  if type(open) == "boolean" then return open and 1 or 0 end
  return open
end

-- One layer of a gate's record: cosines of all pairs, what was let through, how often there was conflict.
local function take_layer(stage, name, layer, step)
  local spans, c = stage.layers[name] or {}, stage.conflicts[name] or { seen = 0, below = 0 }
  stage.layers[name], stage.conflicts[name] = spans, c
  local has_pairs = false
  for key in pairs(layer) do has_pairs = has_pairs or key:match "^cos_" end
  for key, v in pairs(layer) do
    local is_cos = key:match "^cos"
    if is_cos or key == "open" then
      spans[key] = spans[key] or Spans.new()
      spans[key]:add(step, number(share(v)))
    end
    if is_cos and (key ~= "cos" or not has_pairs) and math.type(v) then
      c.seen, c.below = c.seen + 1, c.below + (v < 0 and 1 or 0)
    end
  end
end

local function take_gate(stage, i, gate, step)
  stage.gated = stage.gated + 1
  local main, aux = number(gate.norm_main), number(gate.norm_aux)
  put(stage.gate, "cos", i, gate.cos)
  put(stage.gate, "open", i, share(gate.open))
  put(stage.gate, "ratio", i, main > 0 and aux / main or nil)
  for key, v in pairs(gate) do
    if key:match "^weight_" then put(stage.gate, key, i, v) end
  end
  for name, layer in pairs(is_table(gate.layers)) do
    if type(layer) == "table" then take_layer(stage, name, layer, step) end
  end
end

local function take_step(self, r)
  local step = number(r.step)
  if step ~= step then return end
  local stage = stage_of(self, r)
  rewind(stage, step)
  local i = stage.n + 1
  stage.n = i
  stage.step[i], stage.epoch[i] = step, number(r.epoch)
  stage.total[i], stage.lr[i] = number(r.total), number(r.lr)
  for name, v in pairs(is_table(r.losses)) do put(stage.losses, name, i, v) end
  for name, v in pairs(is_table(r.weights)) do put(stage.weights, name, i, v) end
  for name, v in pairs(is_table(r.telemetry)) do put(stage.telemetry, name, i, v) end
  if type(r.gate) == "table" then take_gate(stage, i, r.gate, step) end
end

local function take_epoch(self, r)
  local stage, epoch = stage_of(self, r), number(r.epoch)
  local epochs = stage.epochs
  while #epochs > 0 and epochs[#epochs].epoch >= epoch do epochs[#epochs] = nil end
  epochs[#epochs + 1] = { epoch = epoch, step = number(r.step), train = is_table(r.train),
    val = is_table(r.val), best = r.best == true, seconds = r.seconds }
end

local function take_stage(self, r)
  local event = stage_of(self, r).event
  for key, v in pairs(r) do event[key] = v end
  if r.event == "end" then event.ended = true end
end

local TAKE = {
  step = take_step,
  epoch = take_epoch,
  stage = take_stage,
  warning = function(self, r) table.insert(self.warnings, { text = tostring(r.text), step = r.step }) end,
}

---Take one record; kinds that are not known are passed over.
---@param record table
function Log:take(record)
  local take = TAKE[record.kind]
  if take then take(self, record) end
end

-- Columns end at n: rewinding may have left more, a loss that stopped early has less.
local function level(columns, n)
  for _, column in pairs(columns) do
    for k = #column + 1, n do column[k] = NAN end
    for k = #column, n + 1, -1 do column[k] = nil end
  end
end

---Make all columns of a stage equally long.
---@return table log
function Log:finish()
  for _, stage in ipairs(self.stages) do
    for _, columns in ipairs { stage.losses, stage.weights, stage.gate, stage.telemetry } do
      level(columns, stage.n)
    end
    level({ stage.step, stage.epoch, stage.total, stage.lr }, stage.n)
  end
  return self
end

return Log
