-- A stage of a recipe: its fields checked, and what they mean at a step. Config only; what changes while a
-- stage runs is in the run's state.
local nearest = require "rille.util.check".nearest
local paths = require "rille.run.paths"

local stage = {}

local PLACES = { "name", "trains", "losses", "gate", "optimiser", "ends" }
stage.FIELDS = { "augment", "batch", "clip", "ends", "frozen_norms", "gate", "losses", "name", "optimiser",
  "select", "trains", "watch" }
local IS_FIELD = {}
for _, name in ipairs(stage.FIELDS) do IS_FIELD[name] = true end

local function fail(where, text) error(where .. ": " .. text, 0) end

local function is_rate(v) return type(v) == "number" or type(v) == "function" end

local function a_choice(where, v, what)
  if type(v) == "string" or type(v) == "function" then v = { v } end
  if type(v) ~= "table" or type(v[1]) ~= "string" and type(v[1]) ~= "function" then
    fail(where, ('must be a name, { name, options } or a function; write %s'):format(what))
  end
  return paths.copy(v)
end

local function check_losses(where, s, losses)
  if type(s.losses) ~= "table" or next(s.losses) == nil then
    fail(where .. ".losses", "must name at least one loss; write { ce = 1 }")
  end
  local known = {}
  for name in pairs(losses) do known[#known + 1] = name end
  table.sort(known)
  for name, weight in pairs(s.losses) do
    if type(name) ~= "string" then fail(where .. ".losses", "takes names with weights; write { ce = 1 }") end
    if not losses[name] then fail(where .. ".losses", paths.missing(name, known)) end
    if not is_rate(weight) then
      fail(where .. ".losses." .. name,
        ("is a %s; a weight is a number or a function of (step, state)"):format(type(weight)))
    end
  end
end

local function check_ends(where, ends)
  if type(ends) == "number" then ends = { epochs = ends } end
  if type(ends) ~= "table" or next(ends) == nil then
    fail(where .. ".ends", "is missing; write { epochs = 10 }, { steps = 100 } or { plateau = 5 }")
  end
  for key, n in pairs(ends) do
    if key ~= "epochs" and key ~= "steps" and key ~= "plateau" then
      fail(where .. ".ends", paths.missing(tostring(key), { "epochs", "steps", "plateau" }))
    end
    if not math.tointeger(n) or n < 1 then
      fail(where .. ".ends." .. key, ("is %s; it is a whole number from 1 on"):format(tostring(n)))
    end
  end
  return paths.copy(ends)
end

local function check_select(where, select, losses)
  if select == nil then return "val loss" end
  local what = type(select) == "string" and select:match("^val ([%w_]+)$")
  if not what then
    fail(where .. ".select",
      'must be "val loss", "val NAME OF A LOSS", "val auc", "val accuracy", "val cc" or "val hs"')
  end
  local known = { "loss", "auc", "accuracy", "cc", "hs", "kl_map" }
  for name in pairs(losses) do known[#known + 1] = name end
  for _, name in ipairs(known) do
    if name == what then return select end
  end
  return fail(where .. ".select", paths.missing(what, known))
end

local function named(where, raw)
  local out = {}
  for k, v in pairs(raw) do
    local name = PLACES[k] or k
    if not IS_FIELD[name] then
      local near = type(name) == "string" and nearest(name, stage.FIELDS)
      fail(where, ('has an unknown field "%s"%s'):format(tostring(name),
        near and (', did you mean "%s"?'):format(near) or ""))
    end
    if out[name] ~= nil then
      fail(where, ('gives "%s" twice, by place and by name; keep one'):format(name))
    end
    out[name] = paths.copy(v)
  end
  return out
end

---A stage of a recipe with its fields by name.
---
---Raises: "stages.NAME.FIELD: what; cure".
---@param raw table as the recipe has it
---@param k integer its place
---@param losses table<string, function> those of the recipe
---@return table
function stage.read(raw, k, losses)
  if type(raw) ~= "table" then fail(("stages.%d"):format(k), "must be a table") end
  local s = named(("stages.%s"):format(raw.name or raw[1] or k), raw)
  if type(s.name) ~= "string" or not s.name:match("^[%w_%-]+$") then
    fail(("stages.%d"):format(k), "needs a name of letters, digits, _ and - in its first place")
  end
  return stage.check(s, losses)
end

---Check and complete a stage whose fields are named; also after a field was set.
---@param s table changed: shorthands are written out
---@param losses table<string, function>
---@return table s
function stage.check(s, losses)
  local where = "stages." .. s.name
  if type(s.trains) ~= "string" or not s.trains:match("%S") then
    fail(where .. ".trains",
      'must be text: "*", or prefixes of parameter paths with spaces between them, as "encoder. head."')
  end
  check_losses(where, s, losses)
  s.gate = a_choice(where .. ".gate", s.gate or "none", '"none" or { "gradprom", main = "ce" }')
  s.optimiser = a_choice(where .. ".optimiser", s.optimiser or "Adam", '{ "Adam", lr = 1e-3 }')
  if s.optimiser.lr ~= nil and not is_rate(s.optimiser.lr) then
    fail(where .. ".optimiser.lr", "is a " .. type(s.optimiser.lr) ..
      "; a rate is a number or a function of (step, state)")
  end
  s.ends = check_ends(where, s.ends)
  s.select = check_select(where, s.select, losses)
  if s.batch ~= nil and (not math.tointeger(s.batch) or s.batch < 1) then
    fail(where .. ".batch", "is a whole number from 1 on")
  end
  if s.frozen_norms ~= nil and s.frozen_norms ~= "fixed" and s.frozen_norms ~= "moving" then
    fail(where .. ".frozen_norms", 'is "fixed" (statistics of frozen batch norms stay) or "moving"')
  end
  if s.watch ~= nil and type(s.watch) ~= "table" then
    fail(where .. ".watch", 'is a table; write { classify = "name of an output" }')
  end
  return s
end

---All stages of a recipe.
---@param raw any
---@param losses table
---@return table[] stages also by name
function stage.read_all(raw, losses)
  if type(raw) ~= "table" or #raw == 0 then fail("stages", "must be a list with at least one stage") end
  local out, names = {}, {}
  for k, one in ipairs(raw) do
    local s = stage.read(one, k, losses)
    if names[s.name] then fail("stages." .. s.name, "stands there twice; give each stage its own name") end
    names[s.name] = true
    out[k] = s
  end
  return out
end

---@param stages table[]
---@param name string
---@return table? stage, integer? place
function stage.find(stages, name)
  for k, s in ipairs(stages) do
    if s.name == name then return s, k end
  end
end

---The losses of a stage in the order of their names, which is the order gates see.
---@param s table
---@return string[]
function stage.loss_names(s)
  local out = {}
  for name in pairs(s.losses) do out[#out + 1] = name end
  table.sort(out)
  return out
end

-- A number, or what the function says at this step; anything else is the recipe's error.
local function at(s, field, v, step, state)
  if type(v) ~= "function" then return v end
  local n = v(step, state)
  if type(n) ~= "number" or n ~= n or math.abs(n) == math.huge then
    fail(("stages.%s.%s"):format(s.name, field),
      ("gave %s at step %d; it must give a finite number"):format(tostring(n), step))
  end
  return n
end

---Weights and rate at a step.
---@param s table
---@param step integer of the stage, from 1
---@param state table
---@return table<string, number> weights, number? lr
function stage.at(s, step, state)
  local weights = {}
  for name, w in pairs(s.losses) do
    weights[name] = type(w) == "number" and w or at(s, "losses." .. name, w, step, state)
  end
  return weights, at(s, "optimiser.lr", s.optimiser.lr, step, state)
end

---Whether a parameter's path is named by `trains`.
---@param trains string
---@param path string
---@return boolean
function stage.is_trained(trains, path)
  for prefix in trains:gmatch("%S+") do
    if prefix == "*" or path == prefix or path:sub(1, #prefix) == prefix then return true end
  end
  return false
end

---Raises when a prefix of `trains` names no parameter.
---@param s table
---@param all string[] paths of all parameters
function stage.check_trains(s, all)
  for prefix in s.trains:gmatch("%S+") do
    local found = prefix == "*"
    for _, path in ipairs(all) do found = found or path:sub(1, #prefix) == prefix end
    if not found then
      local tops, seen = {}, {}
      for _, path in ipairs(all) do
        local top = path:match("^[^.]+%.")
        if top and not seen[top] then seen[top], tops[#tops + 1] = true, top end
      end
      fail(("stages.%s.trains"):format(s.name),
        paths.unknown(s.trains, prefix, tops) .. " (no parameter's path begins so)")
    end
  end
end

---Does the stage end here?
---@param s table
---@param state table step, epoch (finished ones), since_best
---@return string? reason
function stage.is_over(s, state)
  local e = s.ends
  if e.steps and state.step >= e.steps then return e.steps .. " steps" end
  if e.epochs and state.epoch >= e.epochs then return e.epochs .. " epochs" end
  if e.plateau and state.since_best >= e.plateau then
    return ("no gain in %d epochs"):format(state.since_best)
  end
end

---What a gate or optimiser is called in logs.
---@param choice table
---@return string
function stage.choice_name(choice) return type(choice[1]) == "function" and "function" or choice[1] end

return stage
