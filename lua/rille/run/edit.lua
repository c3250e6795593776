-- Changes made by hand: run:set(path, value) at the prompt, and the same again from a journal.
local build = require "rille.run.build"
local paths = require "rille.run.paths"
local Recipe = require "rille.run.recipe"
local reload = require "rille.run.reload"
local stage = require "rille.run.stage"

local edit = {}

local FIELDS = { "losses", "gate", "ends", "optimiser", "trains" }

local function check_path(path)
  local names = paths.split(path)
  if names[1] ~= "stages" then
    error(('"%s" cannot change in a run; fields of stages can, as "stages.joint.losses.kl"'):format(path), 0)
  end
  if names[3] == "optimiser" and names[4] ~= "lr" then
    error(('"%s": of an optimiser only lr can change in a run'):format(path), 0)
  end
  for _, field in ipairs(FIELDS) do
    if names[3] == field then return field, names[2] end
  end
  error(paths.unknown(path, names[3] or "", FIELDS), 0)
end

-- The optimiser anew for other parameters: moments of those that stay are kept, new ones start fresh.
local function retrain(run, s)
  local before = run.optimiser:state_dict()
  build.choose(run, s)
  local _, lr = stage.at(s, run.state.step + 1, run.state)
  run.optimiser = build.optimiser(s, run.params, run.param_paths, lr)
  local stays, tensors = {}, {}
  for _, name in ipairs(run.param_paths) do stays[name] = true end
  for key, t in pairs(before.tensors) do
    if stays[key:match("^(.*)%.[^.]+$")] then tensors[key] = t end
  end
  run.optimiser:load_state_dict { tensors = tensors, numbers = before.numbers }
end

---Set a field of a stage. It is tried at the run's step first; if it raises, nothing changes.
---@param run table
---@param path string
---@param value any
function edit.apply(run, path, value)
  local field, name = check_path(path)
  local stages = {}
  for k, s in ipairs(run.stages) do stages[k] = paths.copy(s) end
  local tree = { options = {}, data = {}, stages = stages, losses = run.recipe.table.losses }
  Recipe.put(tree, path, paths.copy(value))
  local s, place = stage.find(stages, name)
  if run.stage and name == run.stage.name then
    reload.try(run, run.recipe, stages)
    run.stages = stages
    run.stage, run.loss_names = s, stage.loss_names(s)
    if field == "trains" then retrain(run, s) end
    if field == "gate" then run.gate_state = {} end
    if field == "gate" or field == "losses" then run.gate, run.main = build.gate(s, run.loss_names) end
  else
    build.gate(stages[place], stage.loss_names(s))
    run.stages = stages
  end
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
