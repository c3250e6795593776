-- A changed recipe, taken up between two steps: losses, weights, rates, gates and ends, by stage name.
-- Everything else needs a restart, and is refused with its name. What is new is tried at the current step
-- before it counts.
local core = require "rille.core"
local files = require "rille.util.files"
local fingerprint = require "rille.run.fingerprint"
local parts = require "rille.run.parts"
local paths = require "rille.run.paths"
local Recipe = require "rille.run.recipe"
local replay = require "rille.run.replay"
local stage = require "rille.run.stage"
local step = require "rille.run.step"
local turn = require "rille.run.turn"

local reload = {}

-- What may change of a turn besides its rate, and what may not of a stage and of a turn.
local ADOPTED = { "losses", "gate" }
local FIXED = { "batch", "watch", "select", "augment", "frozen_norms", "accumulate", "ema" }
local FIXED_OF_TURN = { "trains", "clip" }

local function without_rate(optimiser)
  local out = {}
  for k, v in pairs(optimiser) do
    if k ~= "lr" then out[k] = v end
  end
  return out
end

-- What a change of stage s to t would need a restart for.
local function stage_refusal(s, t, differs)
  for _, field in ipairs(FIXED) do
    if differs(s[field], t[field]) then return ("stages.%s.%s changed"):format(s.name, field) end
  end
  local a, b = stage.turns(s), stage.turns(t)
  if #a ~= #b then return ("stages.%s: the number of turns changed"):format(s.name) end
  for k, before in ipairs(a) do
    local where = turn.where(before)
    if before.name ~= b[k].name then
      return ('%s: is now called "%s"'):format(where, b[k].name)
    end
    for _, field in ipairs(FIXED_OF_TURN) do
      if differs(before[field], b[k][field]) then return ("%s.%s changed"):format(where, field) end
    end
    if differs(without_rate(before.optimiser), without_rate(b[k].optimiser)) then
      return where .. ".optimiser changed"
    end
  end
end

---What a change would need a restart for; nil when it can be taken up.
---@param old table recipe
---@param new table recipe
---@return string?
function reload.refusal(old, new)
  local function differs(a, b) return fingerprint(a, old) ~= fingerprint(b, new) end
  if differs(old.table.models, new.table.models) then return "the model changed" end
  if differs(old.table.forward, new.table.forward) then return "forward changed" end
  for _, field in ipairs { "options", "data" } do
    if differs(old[field], new[field]) then return field .. " changed" end
  end
  for _, field in ipairs { "report", "cache", "after", "telemetry" } do
    if differs(old.table[field], new.table[field]) then return field .. " changed" end
  end
  if #old.stages ~= #new.stages then return "the number of stages changed" end
  for k, s in ipairs(old.stages) do
    local t = new.stages[k]
    if s.name ~= t.name then return ('stage %d is now "%s" instead of "%s"'):format(k, t.name, s.name) end
    local why = stage_refusal(s, t, differs)
    if why then return why end
  end
end

-- The run's stages with the fields laid over that differ between two versions of the file; so what was set
-- by hand stays unless the file speaks of it.
local function merged(run, old, new)
  local out, changed = {}, {}
  local function differs(a, b) return fingerprint(a, old) ~= fingerprint(b, new) end
  local function adopt(field, where, copy, a, b)
    if not differs(a[field], b[field]) then return end
    copy[field] = paths.copy(b[field])
    changed[#changed + 1] = ("%s.%s"):format(where, field)
  end
  for k, s in ipairs(run.stages) do
    local copy, a, b = paths.copy(s), old.stages[k], new.stages[k]
    adopt("ends", "stages." .. s.name, copy, a, b)
    for i, t in ipairs(stage.turns(copy)) do
      local before, now, where = stage.turns(a)[i], stage.turns(b)[i], turn.where(t)
      for _, field in ipairs(ADOPTED) do adopt(field, where, t, before, now) end
      adopt("lr", where .. ".optimiser", t.optimiser, before.optimiser, now.optimiser)
    end
    out[k] = copy
  end
  if differs(old.table.losses, new.table.losses) then changed[#changed + 1] = "losses" end
  return out, changed
end

-- The losses of turn k that its last step did not compute: all, where the recipe is another one.
local function new_losses(run, recipe, t, k)
  local names, known = {}, {}
  for _, name in ipairs(recipe == run.recipe and run.parts[k].loss_names or {}) do known[name] = true end
  for _, name in ipairs(turn.loss_names(t)) do
    if not known[name] then names[#names + 1] = name end
  end
  return names
end

-- Losses of a turn on the last batch, as they would be.
local function try_losses(run, recipe, s, t, names)
  local kept = step.keep(run)
  local trial = setmetatable({ recipe = recipe, stage = s, turn = t, loss_names = names }, { __index = run })
  local ok, why = pcall(core.no_grad, function() return step.losses(trial, step.outputs(trial, run.batch),
    run.batch) end)
  step.restore(kept)
  if not ok then error(why, 0) end
end

---Try stages and losses as they would be at the next step of the run's current stage: weights, rate, gate,
---and on the last batch the losses that are new. Raises what they raise.
---@param run table
---@param recipe table
---@param stages table[]
function reload.try(run, recipe, stages)
  local _, place = stage.find(run.stages, run.stage.name)
  local s = stages[place]
  for k, t in ipairs(stage.turns(s)) do
    turn.at(t, run.state.step + 1, run.state)
    parts.gate(t, turn.loss_names(t))
    local names = new_losses(run, recipe, t, k)
    if run.batch and #names > 0 then try_losses(run, recipe, s, t, names) end
  end
end

-- Puts new stages in place; the current one gets its gates and its losses anew.
local function put_stages(run, recipe, stages)
  run.base, run.recipe, run.stages = recipe, recipe, stages
  parts.change(run, stage.find(stages, run.stage.name), function(before, now)
    return fingerprint(now.gate, recipe) ~= fingerprint(before.gate, recipe)
      or #turn.loss_names(now) ~= #turn.loss_names(before)
  end)
end

---Take up a new text of the recipe.
---@param run table
---@param text string
---@return string[]? changed paths; nil and why when refused
function reload.adopt(run, text)
  local ok, new = pcall(Recipe.load, run.base.file,
    { text = text, preset = run.base.preset, set = run.base.set })
  if not ok then return nil, tostring(new) end
  for _, name in ipairs { "classes", "class_names", "findings" } do
    new.options[name] = run.base.options[name]
  end
  local refusal = reload.refusal(run.base, new)
  if refusal then return nil, refusal .. ": needs a restart" end
  local stages, changed = merged(run, run.base, new)
  local why
  ok, why = pcall(reload.try, run, new, stages)
  if not ok then return nil, tostring(why) end
  put_stages(run, new, stages)
  return changed
end

---Take up a new text, or say why not; tells what happened, and writes it into the journal.
---@param run table
---@param text string
function reload.take(run, text)
  local changed, why = reload.adopt(run, text)
  if not changed then
    run.refused_text = text
    return run.log:warn("recipe not taken up: " .. why .. "; the run goes on as it was",
      run.position.run_step)
  end
  run.refused_text = nil
  local what = #changed > 0 and table.concat(changed, ", ") or "nothing that matters here"
  run.progress:say(("recipe taken up at step %d: %s"):format(run.position.run_step + 1, what))
  run.journal:put { step = run.position.run_step, kind = "reload", changed = changed, text = text }
end

---Look at the recipe's file; called between steps. A replay takes the versions of its journal instead, and
---looks at the file when they are used up.
---@param run table
function reload.look(run)
  for c in replay.due(run, "reload") do reload.take(run, c.text) end
  if replay.is_open(run) then return end
  local stamp = files.stamp(run.base.file)
  if stamp == nil or stamp == run.recipe_stamp then return end
  run.recipe_stamp = stamp
  local text = files.read(run.base.file)
  if not text or text == run.base.text or text == run.refused_text then return end
  reload.take(run, text)
end

return reload
