-- What a step trains: parameters, losses with weights, a gate, an optimiser. A stage is one such turn by
-- itself, or a list of them that a step takes in order. Config only, checked, and what it means at a step.
local match = require "rille.util.match"
local paths = require "rille.run.paths"

local turn = {}

turn.PLACES = { "name", "trains", "losses", "gate", "optimiser" }
turn.FIELDS = { "clip", "gate", "losses", "name", "optimiser", "trains" }

local function fail(where, text) error(where .. ": " .. text, 0) end

local function is_rate(v) return type(v) == "number" or type(v) == "function" end

---How messages and paths call it: "stages.NAME", or "stages.NAME.turns.TURN".
---@param t table stage or turn; a turn has `of`, the stage's name
---@return string
function turn.where(t)
  return t.of and ("stages.%s.turns.%s"):format(t.of, t.name) or "stages." .. t.name
end

local function a_choice(where, v, what)
  if type(v) == "string" or type(v) == "function" then v = { v } end
  if type(v) ~= "table" or type(v[1]) ~= "string" and type(v[1]) ~= "function" then
    fail(where, ('must be a name, { name, options } or a function; write %s'):format(what))
  end
  return paths.copy(v)
end

local function check_losses(where, list, losses)
  if type(list) ~= "table" or next(list) == nil then
    fail(where .. ".losses", "must name at least one loss; write { ce = 1 }")
  end
  local known = {}
  for name in pairs(losses) do known[#known + 1] = name end
  table.sort(known)
  for name, weight in pairs(list) do
    if type(name) ~= "string" then fail(where .. ".losses", "takes names with weights; write { ce = 1 }") end
    if not losses[name] then fail(where .. ".losses", paths.missing(name, known)) end
    if not is_rate(weight) then
      fail(where .. ".losses." .. name,
        ("is a %s; a weight is a number or a function of (step, state)"):format(type(weight)))
    end
  end
end

---Check and complete the fields of a turn; also after one was set.
---
---Raises: "stages.NAME.FIELD: what; cure".
---@param t table changed: shorthands are written out
---@param losses table<string, function> those of the recipe
---@return table t
function turn.check(t, losses)
  local where = turn.where(t)
  if type(t.trains) ~= "string" or not t.trains:match("%S") then
    fail(where .. ".trains",
      'must be text: "*", or prefixes of parameter paths with spaces between them, as "encoder. head."')
  end
  check_losses(where, t.losses, losses)
  t.gate = a_choice(where .. ".gate", t.gate or "none", '"none" or { "gradprom", main = "ce" }')
  t.optimiser = a_choice(where .. ".optimiser", t.optimiser or "Adam", '{ "Adam", lr = 1e-3 }')
  if t.optimiser.lr ~= nil and not is_rate(t.optimiser.lr) then
    fail(where .. ".optimiser.lr", "is a " .. type(t.optimiser.lr) ..
      "; a rate is a number or a function of (step, state)")
  end
  if t.clip ~= nil and (type(t.clip) ~= "number" or t.clip <= 0) then
    fail(where .. ".clip", "is the largest norm of a gradient, a number above 0")
  end
  return t
end

---The losses of a turn in the order of their names, which is the order gates see.
---@param t table
---@return string[]
function turn.loss_names(t)
  local out = {}
  for name in pairs(t.losses) do out[#out + 1] = name end
  table.sort(out)
  return out
end

-- A number, or what the function says at this step; anything else is the recipe's error.
local function at(t, field, v, step, state)
  if type(v) ~= "function" then return v end
  local n = v(step, state)
  if type(n) ~= "number" or n ~= n or math.abs(n) == math.huge then
    fail(("%s.%s"):format(turn.where(t), field),
      ("gave %s at step %d; it must give a finite number"):format(tostring(n), step))
  end
  return n
end

---Weights at a step.
---@param t table
---@param step integer of the stage, from 1
---@param state table
---@return table<string, number>
function turn.weights(t, step, state)
  local weights = {}
  for name, w in pairs(t.losses) do
    weights[name] = type(w) == "number" and w or at(t, "losses." .. name, w, step, state)
  end
  return weights
end

---Weights and rate at a step.
---@param t table
---@param step integer of the stage, from 1
---@param state table
---@return table<string, number> weights, number? lr
function turn.at(t, step, state)
  return turn.weights(t, step, state), at(t, "optimiser.lr", t.optimiser.lr, step, state)
end

---Whether a parameter's path is named by `trains`.
---@param trains string
---@param path string
---@return boolean
function turn.is_trained(trains, path)
  return match.compile(trains)(path)
end

---Raises when a prefix of `trains` names no parameter.
---@param t table
---@param all string[] paths of all parameters
function turn.check_trains(t, all)
  for prefix in t.trains:gmatch("%S+") do
    local found, takes = prefix == "*", match.compile(prefix)
    for _, path in ipairs(all) do found = found or takes(path) end
    if not found then
      local tops, seen = {}, {}
      for _, path in ipairs(all) do
        local top = path:match("^[^.]+%.")
        if top and not seen[top] then seen[top], tops[#tops + 1] = true, top end
      end
      fail(turn.where(t) .. ".trains",
        paths.unknown(t.trains, prefix, tops) .. " (no parameter's path begins so)")
    end
  end
end

---What a gate or optimiser is called in logs.
---@param choice table
---@return string
function turn.choice_name(choice) return type(choice[1]) == "function" and "function" or choice[1] end

return turn
