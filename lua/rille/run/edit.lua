-- Changes made by hand: run:set(path, value) at the prompt, and the same again from a journal.
local average = require "rille.run.average"
local parts = require "rille.run.parts"
local paths = require "rille.run.paths"
local put = require "rille.run.put"
local reload = require "rille.run.reload"
local stage = require "rille.run.stage"
local turn = require "rille.run.turn"

local edit = {}

local FIELDS = { "losses", "gate", "ends", "optimiser", "trains" }

-- The field that a path names, its stage and its turn: stages.NAME.FIELD or stages.NAME.turns.TURN.FIELD.
local function check_path(path)
  local names = paths.split(path)
  if names[1] ~= "stages" then
    error(('"%s" cannot change in a run; fields of stages can, as "stages.joint.losses.kl"'):format(path), 0)
  end
  local k, turn_name = 3, nil
  if names[3] == "turns" then k, turn_name = 5, names[4] end
  if names[k] == "optimiser" and names[k + 1] ~= "lr" then
    error(('"%s": of an optimiser only lr can change in a run'):format(path), 0)
  end
  for _, field in ipairs(FIELDS) do
    if names[k] == field then return field, names[2], turn_name or names[2] end
  end
  error(paths.unknown(path, names[k] or "", FIELDS), 0)
end

-- What the current stage becomes.
local function put_stage(run, s, field, turn_name)
  if field == "trains" then
    parts.retrain(run, s)
    return average.begin(run, run.averages)
  end
  parts.change(run, s, function(_, now) return field == "gate" and now.name == turn_name end)
end

---Set a field of a stage or turn. It is tried at the run's step first; if it raises, nothing changes.
---@param run table
---@param path string
---@param value any
function edit.apply(run, path, value)
  local field, name, turn_name = check_path(path)
  local stages = {}
  for k, s in ipairs(run.stages) do stages[k] = paths.copy(s) end
  local tree = { options = {}, data = {}, stages = stages, losses = run.recipe.table.losses }
  put.value(tree, path, paths.copy(value))
  local s = stage.find(stages, name)
  if field == "trains" then parts.check_trains(run, s) end
  if run.stage and name == run.stage.name then
    reload.try(run, run.recipe, stages)
    put_stage(run, s, field, turn_name)
  else
    for _, t in ipairs(stage.turns(s)) do parts.gate(t, turn.loss_names(t)) end
  end
  run.stages = stages
end

local function is_data(v)
  if type(v) == "function" then return false end
  if type(v) ~= "table" then return true end
  for _, e in pairs(v) do
    if not is_data(e) then return false end
  end
  return true
end

---What run:set does: apply, and write into the journal. Functions are kept as the text of the chunk that
---made them.
---@param run table
---@param path string
---@param value any
function edit.set(run, path, value)
  edit.apply(run, path, value)
  if is_data(value) then
    run.journal:put { step = run.position.run_step, kind = "set", path = path, value = value }
  else
    run.journal:put { step = run.position.run_step, kind = "set", path = path, code = true }
  end
  if run.progress then
    run.progress:say(("%s is set, from step %d on"):format(path, run.position.run_step + 1))
  end
end

-- Stands for live objects while chunks are run again for the functions they make: takes every use, does
-- nothing.
local function nothing()
  local self = {}
  local function same() return self end
  return setmetatable(self, { __index = same, __call = same, __add = same, __sub = same, __mul = same,
    __div = same, __unm = same, __pow = same, __newindex = function() end, __len = function() return 0 end,
    __tostring = function() return "nothing" end })
end

---Apply a journal to a run that is being resumed: reloads, data, and the functions that chunks made. The
---chunks' other effects are in the checkpoint already.
---@param run table
---@param entries table[]
function edit.replay_fields(run, entries)
  local absorbing = nothing()
  local env = setmetatable({ models = absorbing, batch = absorbing, y = absorbing, losses = absorbing,
    params = absorbing, print = function() end }, { __index = _G })
  env.rl = require "rille"
  env.run = setmetatable({ set = function(_, path, value)
    if not is_data(value) then edit.apply(run, path, value) end
  end }, { __index = absorbing })
  for _, entry in ipairs(entries) do
    if entry.kind == "reload" then
      local changed, why = reload.adopt(run, entry.text)
      if not changed then
        error("journal: a reload of step " .. entry.step .. " cannot be repeated: " .. why, 0)
      end
    elseif entry.kind == "set" and not entry.code then
      edit.apply(run, entry.path, entry.value)
    elseif entry.kind == "chunk" then
      local chunk = load("return " .. entry.text, "=journal", "t", env)
        or load(entry.text, "=journal", "t", env)
      if chunk then pcall(chunk) end
    end
  end
end

return edit
