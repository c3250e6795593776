-- From a recipe to live objects: models with their initial weights, and what a stage trains with.
local core = require "rille.core"
local paths = require "rille.run.paths"
local rl = require "rille"
local stage = require "rille.run.stage"

local build = {}

local function sorted_names(t)
  local out = {}
  for name in pairs(t) do out[#out + 1] = name end
  table.sort(out)
  return out
end
build.sorted_names = sorted_names

---Make the recipe's models; all random numbers of their weights come from the seed.
---
---Raises: "recipe: ..." when something else than modules comes back.
---@param recipe table
---@param options table
---@param seed integer
---@return table<string, rille.Module>
function build.models(recipe, options, seed)
  core.manual_seed(seed)
  local models = recipe.table.models(options)
  if type(models) ~= "table" or next(models) == nil then
    error(('recipe: "%s": models: must return a table { name = module }'):format(recipe.file), 0)
  end
  for name, m in pairs(models) do
    if type(name) ~= "string" or type(m) ~= "table" or type(m.named_parameters) ~= "function" then
      error(('recipe: "%s": models: "%s" is no module; return a table { name = module }'):format(recipe.file,
        tostring(name)), 0)
    end
    rawset(m, "_segment", name)
  end
  return models
end

---All parameters with their paths, models in the order of their names.
---@param models table
---@return { path: string, tensor: rille.Tensor }[]
function build.parameters(models)
  local out = {}
  for _, name in ipairs(sorted_names(models)) do
    for _, p in ipairs(models[name]:named_parameters()) do
      out[#out + 1] = { path = name .. "." .. p.name, tensor = p.tensor }
    end
  end
  return out
end

---Number of elements of the parameters, trained or not.
---@param list table[]
---@param is_trained? boolean
---@return integer
function build.count(list, is_trained)
  local n = 0
  for _, p in ipairs(list) do
    if is_trained == nil or p.tensor.requires_grad == is_trained then n = n + p.tensor:numel() end
  end
  return n
end

---Training mode where a parameter below is trained, evaluation mode elsewhere. With `is_moving` the batch
---norms of frozen parts normalise by the batch, and their running statistics go on moving.
---@param models table
---@param is_moving? boolean
function build.modes(models, is_moving)
  for _, m in pairs(models) do
    m:train_unfrozen()
    if is_moving then
      m:apply(function(part)
        if rawget(part, "running_mean") then rawset(part, "training", true) end
      end)
    end
  end
end

---@param models table
function build.eval(models)
  for _, m in pairs(models) do m:eval() end
end

---Buffers that move while training: those of modules in training mode.
---@param models table
---@return rille.Tensor[]
function build.moving_buffers(models)
  local out = {}
  for _, name in ipairs(sorted_names(models)) do
    for _, s in ipairs(models[name]:named_state()) do
      if s.kind == "buffer" then out[#out + 1] = s.tensor end
    end
  end
  return out
end

-- The options of { "Adam", lr = 1e-4, ... } or { "gradprom", main = "ce" } without the name and what is ours.
local function options_of(choice, without)
  local out = {}
  for k, v in pairs(choice) do
    if type(k) == "string" and k ~= without then out[k] = v end
  end
  return out
end

local function part(kind, where, name)
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

---The gate of a stage; nil when the losses are simply added in one walk back. { "none", layers = true } adds
---them too, but walks back loss by loss and records how their gradients stand to each other.
---@param s table stage
---@param names string[] of its losses, in order
---@return function? gate, integer? main
function build.gate(s, names)
  local name, main = s.gate[1], nil
  if name == "none" and next(s.gate, 1) == nil then return nil end
  if s.gate.main then
    for k, loss in ipairs(names) do
      if loss == s.gate.main then main = k end
    end
    if not main then
      error(("stages.%s.gate: %s"):format(s.name, paths.missing(tostring(s.gate.main), names)), 0)
    end
  end
  if type(name) == "function" then return name, main end
  local ok, gate = pcall(part("gating", "stages." .. s.name .. ".gate", name), options_of(s.gate, "main"))
  if not ok then error(("stages.%s.gate: %s"):format(s.name, tostring(gate)), 0) end
  return gate, main
end

---The optimiser of a stage over its trained parameters.
---@param s table stage
---@param params rille.Tensor[]
---@param names string[]
---@param lr? number the rate of the first step
---@return table
function build.optimiser(s, params, names, lr)
  local options = options_of(s.optimiser)
  options.lr = lr
  local maker = part("optim", "stages." .. s.name .. ".optimiser", s.optimiser[1])
  local ok, optimiser = pcall(maker, params, options)
  if not ok then error(("stages.%s.optimiser: %s"):format(s.name, tostring(optimiser)), 0) end
  optimiser.names = names
  return optimiser
end

---Raises where a stage's gate cannot be made for its losses.
---@param stages table[]
function build.check_gates(stages)
  for _, s in ipairs(stages) do build.gate(s, stage.loss_names(s)) end
end

---Try every stage's names and options before any work: a mistake in the last stage costs no night.
---@param run table
function build.check_stages(run)
  local all, list = build.parameters(run.models), {}
  for k, p in ipairs(all) do list[k] = p.path end
  for _, s in ipairs(run.stages) do
    stage.check_trains(s, list)
    local _, lr = stage.at(s, 1, build.fresh_state(run, s))
    local params, names = {}, {}
    for _, p in ipairs(all) do
      if stage.is_trained(s.trains, p.path) then params[#params + 1], names[#names + 1] = p.tensor, p.path end
    end
    build.optimiser(s, params, names, lr)
    build.gate(s, stage.loss_names(s))
  end
end

---What schedules see when a stage begins.
---@param run table
---@param s table stage
---@return table state
function build.fresh_state(run, s)
  return { step = 0, epoch = 0, since_best = 0, run_step = run.position.run_step, options = run.options,
    steps_per_epoch = run.feed:steps("train", s.batch or run.options.batch) }
end

---Choose what a stage trains: sets requires_grad, lists its parameters in the models' order, sets modes.
---@param run table gets params, param_paths, moving
---@param s table stage
function build.choose(run, s)
  local all, list, names = build.parameters(run.models), {}, {}
  for k, p in ipairs(all) do list[k] = p.path end
  stage.check_trains(s, list)
  run.params, run.param_paths = {}, names
  for _, p in ipairs(all) do
    p.tensor.requires_grad = stage.is_trained(s.trains, p.path)
    if p.tensor.requires_grad then
      run.params[#run.params + 1] = p.tensor
      names[#names + 1] = p.path
    end
  end
  build.modes(run.models, s.frozen_norms == "moving")
  run.moving = build.moving_buffers(run.models)
end

---Everything a stage needs besides data: fields of `run` for its current stage.
---@param run table
---@param s table stage
function build.enter(run, s)
  run.stage = s
  run.loss_names = stage.loss_names(s)
  build.choose(run, s)
  local _, lr = stage.at(s, run.state.step + 1, run.state)
  run.optimiser = build.optimiser(s, run.params, run.param_paths, lr)
  run.gate, run.main = build.gate(s, run.loss_names)
end

return build
