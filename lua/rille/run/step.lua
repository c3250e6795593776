-- One step: outputs, losses, gradients, gate, optimiser. Nothing of it depends on the clock or on threads.
local average = require "rille.run.average"
local core = require "rille.core"
local gated = require "rille.run.gated"
local nonfinite = require "rille.run.nonfinite"
local outputs = require "rille.run.outputs"
local parts = require "rille.run.parts"
local saved = require "rille.gating.saved"
local turn = require "rille.run.turn"

local step = {}

local NONE, release = {}, core.Tensor.__close

local function is_finite(v) return v - v == 0 end

---What a step may change before its optimiser starts: buffers of modules in training mode, and the random
---state.
---@param run table
---@return table kept for step.restore
function step.keep(run)
  local kept = { random = core.random_state(), moving = run.moving, buffers = NONE }
  if #run.moving == 0 then return kept end
  kept.buffers = {}
  for k, b in ipairs(run.moving) do kept.buffers[k] = b:clone() end
  return kept
end

---Put it back.
---@param kept table
function step.restore(kept)
  core.random_state(kept.random)
  core.no_grad(function()
    for k, b in ipairs(kept.moving) do b:copy_(kept.buffers[k]) end
  end)
end

---Outputs of the recipe for a batch.
---@param run table
---@param batch table
---@return table y
function step.outputs(run, batch)
  local made = run.recipe.table.forward(run.models, batch, run.options)
  return outputs.wrap(made, run.cache and run.cache:ready(batch))
end

---Values of a stage's losses on a batch.
---
---Raises: { loss, value } when one is not finite.
---@param run table
---@param y table
---@param batch table
---@param weights? table<string, number>
---@return table<string, rille.Tensor> tensors, table<string, number> values, number total by weights
function step.losses(run, y, batch, weights)
  local tensors, values, total, losses, names = {}, {}, 0, run.recipe.table.losses, run.loss_names
  for k = 1, #names do
    local name = names[k]
    local t = losses[name](y, batch, run.models, run.options)
    local value = core.only_element(t)
    if value == nil then
      error(('losses.%s: must return a tensor of one element, not %s'):format(name, core.is_tensor(t) and
        table.concat(t.shape, "x") or type(t)), 0)
    end
    tensors[name], values[name] = t, value
    if not is_finite(value) then error({ loss = name, value = value }, 0) end
    if weights then total = total + weights[name] * value end
  end
  return tensors, values, total
end

---A loss times its weight.
function step.scaled(t, w) return w == 1 and t or t * w end

local function weighted_sum(run, tensors, weights)
  local names, total = run.loss_names, nil
  for k = 1, #names do
    local part = step.scaled(tensors[names[k]], weights[names[k]])
    total = total and total + part or part
  end
  return total
end

-- Numbers that the recipe has for the log: made of the outputs the losses were made of.
local function telemetry(run, y, batch)
  local f = run.recipe.table.telemetry
  return f and core.no_grad(f, y, batch, run.models, run.options)
end

-- Everything of a turn on one batch that may be given up: reads parameters, writes buffers and the random
-- state.
local function compute(run, batch, weights, kept, lr)
  local y = step.outputs(run, batch)
  local tensors, values, total = step.losses(run, y, batch, weights)
  local grads, record, after
  if run.gate then
    grads, record, after = gated(step, run, { y = y, tensors = tensors, values = values, weights = weights,
      batch = batch, start = kept, lr = lr or run.optimiser.lr })
  else
    local sum = weighted_sum(run, tensors, weights)
    if not sum.requires_grad then
      local text = 'no loss of %s depends on a parameter that it trains (%s)'
      error(text:format(turn.where(run.turn), run.turn.trains), 0)
    end
    grads = core.grad(sum, run.params)
  end
  return { grads = grads, record = record, after = after, values = values, total = total,
    telemetry = telemetry(run, y, batch) }
end

-- Adds w times the numbers of b to those of a, name by name.
local function add_numbers(a, b, w)
  for key, v in pairs(b) do a[key] = type(v) == "number" and (a[key] or 0) + w * v or v end
  return a
end

-- The mean over several batches, each by its number of images: what one step on all of them would be, but
-- that batch norm and the gate see one batch at a time.
local function compute_all(run, batches, weights, kept, lr)
  if #batches == 1 then return compute(run, batches[1], weights, kept, lr) end
  local n, sum = 0, { values = {}, total = 0 }
  for _, b in ipairs(batches) do n = n + b.image.shape[1] end
  for _, b in ipairs(batches) do
    local one, w = compute(run, b, weights, kept, lr), b.image.shape[1] / n
    for i, g in ipairs(one.grads) do one.grads[i] = g * w end
    if not sum.grads then
      sum.grads = one.grads
    else
      for i, g in ipairs(one.grads) do sum.grads[i]:add_(g) end
    end
    add_numbers(sum.values, one.values, w)
    sum.total, sum.after = sum.total + w * one.total, one.after -- a gate looks back at the last batch
    for _, key in ipairs { "record", "telemetry" } do
      if one[key] then sum[key] = add_numbers(sum[key] or {}, one[key], w) end
    end
  end
  return sum
end

-- Computes the turn; with `--watch nan` every result is read. Gives pcall's answers, and what was found.
local function attempt(run, batches, weights, kept, lr, is_first)
  local watches = run.watch == "nan"
  core.signals_mode(is_first and 2 or 0, run.speaks)
  if watches then core.finite_start() end
  local ok, result = pcall(compute_all, run, batches, weights, kept, lr)
  local find = watches and core.finite_stop() or nil
  core.signals_mode(0, run.speaks)
  return ok, result, find
end

-- As the turn was before it began, its gate's state, too.
local function undo(run, kept)
  step.restore(kept)
  if not run.gate then return end
  run.gate_states[run.turn.name] = saved.copy(kept.gate)
  run.gate_state = run.gate_states[run.turn.name]
end

-- Raises with the place where a value that is not finite began, found by computing the turn again from the
-- state it began with. A gate that raised for another reason passes.
local function not_finite(run, batches, weights, kept, what)
  undo(run, kept)
  local find = nonfinite.watch(function() compute_all(run, batches, weights, kept) end)
  undo(run, kept)
  if what or find then nonfinite.raise(run, what or "a gradient is not finite", batches, find) end
end

-- What a turn's computation raised.
local function failed(run, batches, weights, kept, why, is_first)
  undo(run, kept)
  local asked, ended = core.signals()
  if asked + ended >= 2 and is_first then return nil end
  local is_loss = type(why) == "table" and why.loss
  if is_loss or run.gate then
    local what = is_loss and ('loss "%s" is %s'):format(why.loss, tostring(why.value)) or nil
    not_finite(run, batches, weights, kept, what)
  end
  error(why, 0)
end

-- Gradients are large, and the collector is late.
local function release_all(grads)
  for k = 1, #grads do release(grads[k]) end
end

-- One turn. Ctrl-C twice gives it up before the optimiser starts where nothing of the step has moved yet.
local function take_turn(run, batches, is_first)
  local weights, lr = turn.at(run.turn, run.state.step + 1, run.state)
  local kept = step.keep(run)
  if run.gate then kept.gate = saved.copy(run.gate_state) end
  local ok, result, find = attempt(run, batches, weights, kept, lr, is_first)
  if not ok then return failed(run, batches, weights, kept, result, is_first) end
  if find then not_finite(run, batches, weights, kept, "a value is " .. tostring(find.value)) end
  local optimiser, grads = run.optimiser, result.grads
  if lr then optimiser.lr = lr end
  if run.watch == "grads" then result.norms = nonfinite.norms(grads, run.param_paths) end
  run.has_moved = true
  local norm = optimiser:step(grads, run.turn.clip or math.huge)
  if not is_finite(norm) then
    run.has_moved = not is_first
    local of = nonfinite.some(nonfinite.paths(grads, run.param_paths), 3)
    not_finite(run, batches, weights, kept, ("the gradient of %s is %s"):format(of, tostring(norm)))
  end
  if optimiser.keeps_nothing and not run.gate then release_all(grads) end -- a gate may keep what it gave
  result.grads, result.norm, result.weights, result.lr = nil, norm, weights, optimiser.lr
  if result.after then result.after() end
  result.after = nil
  local after = run.recipe.table.after
  if after then core.no_grad(after, run.models, run.state, run.options) end
  return result
end

-- Values and weights of a turn under their names; under TURN.NAME where two turns have a loss of that name.
local function merge(run, result, one)
  local how_many = {}
  for _, p in ipairs(run.parts) do
    for _, name in ipairs(p.loss_names) do how_many[name] = (how_many[name] or 0) + 1 end
  end
  for _, name in ipairs(run.loss_names) do
    local key = how_many[name] > 1 and run.turn.name .. "." .. name or name
    result.values[key], result.weights[key] = one.values[name], one.weights[name]
  end
  result.total, result.norm, result.lr = result.total + one.total, one.norm, one.lr
  result.turns[run.turn.name] = { gradient = one.norm, lr = one.lr }
  for path, v in pairs(one.norms or {}) do
    result.norms = result.norms or {}
    result.norms[path] = v
  end
  for key, v in pairs(one.telemetry or {}) do
    result.telemetry = result.telemetry or {}
    result.telemetry[key] = v -- of the last turn
  end
  for key, v in pairs(one.record or {}) do
    result.record = result.record or {}
    if key:match("^layer%.") or result.record[key] == nil then
      result.record[key] = v
    else
      result.record[run.turn.name .. "_" .. key] = v
    end
  end
end

local function take_turns(run, batches)
  local result = { values = {}, weights = {}, turns = {}, total = 0 }
  for k = 1, #run.parts do
    parts.take(run, k)
    local one = take_turn(run, batches, k == 1)
    if not one then return nil end
    merge(run, result, one)
  end
  return result
end

---Run one training step: every turn of the stage in order, on the same batches, each with a forward pass of
---its own.
---
---Ctrl-C twice gives up before the first optimiser starts: then everything is as before the step, and nil is
---returned.
---@param run table
---@param batches table[] one; with `accumulate` several, over which gradients are averaged
---@return table? result values, total, record, norm, weights, lr; turns (norm and rate of each) if several.
---  Where it raises, run.has_moved says whether an optimiser had moved something
function step.train(run, batches)
  run.has_moved = false
  local result
  if #run.parts == 1 then
    result = take_turn(run, batches, true)
  else
    local ok
    ok, result = pcall(take_turns, run, batches)
    parts.release(run)
    if not ok then error(result, 0) end
  end
  if result then average.step(run) end
  return result
end

return step
