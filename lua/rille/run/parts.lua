-- What a stage trains with: for each of its turns the parameters, the losses, the gate and the optimiser.
-- They are the `parts` of a run; one of them at a time is the run's own.
local build = require "rille.run.build"
local match = require "rille.util.match"
local paths = require "rille.run.paths"
local rl = require "rille"
local stage = require "rille.run.stage"
local turn = require "rille.run.turn"
local walks = require "rille.gating.walks"

local parts = {}

local OURS = { main = true, at = true, gram = true } -- of a gate; the rest is its rule's

-- The options of { "Adam", lr = 1e-4, ... } or { "gradprom", main = "ce" } without the name and what is ours.
local function options_of(choice, without)
  local out = {}
  for k, v in pairs(choice) do
    if type(k) == "string" and not (without and without[k]) then out[k] = v end
  end
  return out
end

local function maker_of(kind, where, name)
  local made = rl[kind]
  local maker = rawget(made, name)
  if maker == nil then
    local known = {}
    for key, v in pairs(made) do
      if type(key) == "string" and (type(v) == "function" or type(v) == "table") then
        known[#known + 1] = key
      end
    end
    table.sort(known)
    error(where .. ": " .. paths.missing(name, known), 0)
  end
  return maker
end

---The gate of a turn; nil when the losses are simply added in one walk back. { "none", layers = true } adds
---them too, but walks back loss by loss and records how their gradients stand to each other.
---@param t table stage or turn
---@param names string[] of its losses, in order
---@return function? gate, integer? main
function parts.gate(t, names)
  local name, main, where = t.gate[1], nil, turn.where(t) .. ".gate"
  if name == "none" and next(t.gate, 1) == nil then return nil end
  if t.gate.main then
    for k, loss in ipairs(names) do
      if loss == t.gate.main then main = k end
    end
    if not main then error(("%s: %s"):format(where, paths.missing(tostring(t.gate.main), names)), 0) end
  end
  local ok, gate = true, name
  if type(name) ~= "function" then
    ok, gate = pcall(maker_of("gating", where, name), options_of(t.gate, OURS))
  end
  if ok then ok, gate = pcall(walks.how, gate, t.gate) end
  if not ok then error(("%s: %s"):format(where, tostring(gate)), 0) end
  return gate, main
end

---The optimiser of a turn over its trained parameters.
---@param t table stage or turn
---@param params rille.Tensor[]
---@param names string[]
---@param lr? number the rate of the first step
---@return table
function parts.optimiser(t, params, names, lr)
  local options, where = options_of(t.optimiser), turn.where(t) .. ".optimiser"
  options.lr = lr
  local ok, optimiser = pcall(maker_of("optim", where, t.optimiser[1]), params, options)
  if not ok then error(("%s: %s"):format(where, tostring(optimiser)), 0) end
  optimiser.names = names
  return optimiser
end

-- The parameters below `trains`, in the models' order.
local function trained(all, t)
  local params, names, takes = {}, {}, match.compile(t.trains)
  for _, p in ipairs(all) do
    if takes(p.path) then params[#params + 1], names[#names + 1] = p.tensor, p.path end
  end
  return params, names
end

---Raises where `trains` of a stage or of its turns names no parameter.
---@param run table
---@param s table stage
---@return { path: string, tensor: rille.Tensor }[] all parameters
function parts.check_trains(run, s)
  local all, list = build.parameters(run.models), {}
  for k, p in ipairs(all) do list[k] = p.path end
  for _, t in ipairs(stage.turns(s)) do turn.check_trains(t, list) end
  return all
end

---Raises where a stage's gate cannot be made for its losses.
---@param stages table[]
function parts.check_gates(stages)
  for _, s in ipairs(stages) do
    for _, t in ipairs(stage.turns(s)) do parts.gate(t, turn.loss_names(t)) end
  end
end

---Try every stage's names and options before any work: a mistake in the last stage costs no night.
---@param run table
function parts.check_stages(run)
  for _, s in ipairs(run.stages) do
    local all = parts.check_trains(run, s)
    for _, t in ipairs(stage.turns(s)) do
      local _, lr = turn.at(t, 1, parts.fresh_state(run, s))
      local params, names = trained(all, t)
      parts.optimiser(t, params, names, lr)
      parts.gate(t, turn.loss_names(t))
    end
  end
end

---What schedules see when a stage begins.
---@param run table
---@param s table stage
---@return table state
function parts.fresh_state(run, s)
  local batches = run.feed:steps("train", s.batch or run.options.batch)
  return { step = 0, epoch = 0, since_best = 0, run_step = run.position.run_step, options = run.options,
    steps_per_epoch = -(-batches // (s.accumulate or 1)) }
end

---Choose what a stage trains: lists the parameters of each turn in the models' order, lets all of them
---require gradients, sets modes.
---@param run table gets parts, moving
---@param s table stage
function parts.choose(run, s)
  local all = parts.check_trains(run, s)
  run.parts = {}
  for _, p in ipairs(all) do p.tensor.requires_grad = false end
  for k, t in ipairs(stage.turns(s)) do
    local params, names = trained(all, t)
    run.parts[k] = { turn = t, params = params, param_paths = names, loss_names = turn.loss_names(t) }
    for _, p in ipairs(params) do p.requires_grad = true end
  end
  build.modes(run.models, s.frozen_norms == "moving")
  run.moving = build.moving_buffers(run.models)
end

local FIELDS = { "turn", "params", "param_paths", "loss_names", "optimiser", "gate", "main" }

---Make one turn the one that steps and gates work on: its fields become the run's, and where there are
---several, only its parameters require gradients.
---@param run table gets turn, params, param_paths, loss_names, optimiser, gate, main, gate_state
---@param k integer
function parts.take(run, k)
  local p = run.parts[k]
  for _, field in ipairs(FIELDS) do run[field] = p[field] end
  run.gate_states[p.turn.name] = run.gate_states[p.turn.name] or {}
  run.gate_state = run.gate_states[p.turn.name]
  if #run.parts == 1 then return end
  for _, other in ipairs(run.parts) do
    for _, t in ipairs(other.params) do t.requires_grad = false end
  end
  for _, t in ipairs(p.params) do t.requires_grad = true end
end

---All that a stage trains requires gradients: as it is between steps.
---@param run table
function parts.release(run)
  if #run.parts == 1 then return end
  for _, p in ipairs(run.parts) do
    for _, t in ipairs(p.params) do t.requires_grad = true end
  end
end

---The losses of all turns, each once, in order.
---@param run table
---@return string[]
function parts.all_losses(run)
  local out, seen = {}, {}
  for _, p in ipairs(run.parts) do
    for _, name in ipairs(p.loss_names) do
      if not seen[name] then seen[name], out[#out + 1] = true, name end
    end
  end
  return out
end

---Everything a stage needs besides data: fields of `run` for its current stage.
---@param run table
---@param s table stage
---@param lr? number by default that of the next step
function parts.enter(run, s, lr)
  run.stage = s
  run.gate_states = run.gate_states or {}
  parts.choose(run, s)
  for _, p in ipairs(run.parts) do
    local rate = lr or select(2, turn.at(p.turn, run.state.step + 1, run.state))
    p.optimiser = parts.optimiser(p.turn, p.params, p.param_paths, rate)
    p.gate, p.main = parts.gate(p.turn, p.loss_names)
  end
  parts.take(run, 1)
  parts.release(run)
end

---The current stage with other losses, weights, gates or ends; what it trains and its optimisers stay.
---@param run table
---@param s table stage
---@param has_new_gate fun(before: table, now: table): boolean of a turn: its gate starts afresh
function parts.change(run, s, has_new_gate)
  run.stage = s
  for k, t in ipairs(stage.turns(s)) do
    local p = run.parts[k]
    if has_new_gate(p.turn, t) then run.gate_states[t.name] = {} end
    p.turn, p.loss_names = t, turn.loss_names(t)
    p.gate, p.main = parts.gate(t, p.loss_names)
  end
  parts.take(run, 1)
  parts.release(run)
end

---Other parameters for a turn: moments of those that stay are kept, new ones start fresh.
---@param run table
---@param s table stage
function parts.retrain(run, s)
  local before = {}
  for k, p in ipairs(run.parts) do before[k] = p.optimiser:state_dict() end
  parts.enter(run, s)
  for k, p in ipairs(run.parts) do
    local stays, tensors = {}, {}
    for _, name in ipairs(p.param_paths) do stays[name] = true end
    for key, t in pairs(before[k].tensors) do
      if stays[key:match("^(.*)%.[^.]+$")] then tensors[key] = t end
    end
    p.optimiser:load_state_dict { tensors = tensors, numbers = before[k].numbers }
  end
end

return parts
