-- A step's gradients under a gate: what the gate may ask for, and the walk back.
local core = require "rille.core"
local walks = require "rille.gating.walks"

-- Rows `from`..`to` of a batch of n: of its tensors and of its lists.
local function rows(batch, n, from, to)
  local out = {}
  for key, v in pairs(batch) do
    if core.is_tensor(v) and v.shape[1] == n then
      v = v[{ { from, to } }]
    elseif type(v) == "table" and not core.is_tensor(v) and #v == n then
      v = table.move(v, from, to, 1, {})
    end
    out[key] = v
  end
  return out
end

local function size_of(batch)
  if batch.image then return batch.image.shape[1] end
  for _, v in pairs(batch) do
    if core.is_tensor(v) then return v.shape[1] end
  end
end

local function weighted_losses(step, run, batch, weights)
  local tensors, values = step.losses(run, step.outputs(run, batch), batch)
  local list, numbers = {}, {}
  for k, name in ipairs(run.loss_names) do
    list[k], numbers[k] = step.scaled(tensors[name], weights[name]), values[name] * weights[name]
  end
  return list, numbers
end

-- f() as if it had not been: buffers stay, and random numbers are those of the step's start.
local function aside(step, run, start, f)
  local now = step.keep(run)
  core.random_state(start.random)
  local result = f()
  step.restore(now)
  return result
end

local function halves(step, run, batch, weights)
  local n, out = size_of(batch), {}
  if n < 2 then error("the gate needs batches of two images or more; raise the batch", 0) end
  for h, part in ipairs { { 1, n // 2 }, { n // 2 + 1, n } } do
    local list = weighted_losses(step, run, rows(batch, n, part[1], part[2]), weights)
    out[h] = core.grads(list, run.params)
  end
  return out
end

---@param step table the module rille.run.step
---@param run table
---@param s { y: table, tensors: table, values: table, weights: table, batch: table, start: table, lr: number
---  }
---@return rille.Tensor[] update, table record, function? after to be called behind the optimiser's step
return function(step, run, s)
  local list, values = {}, {}
  for k, name in ipairs(run.loss_names) do
    list[k], values[k] = step.scaled(s.tensors[name], s.weights[name]), s.values[name] * s.weights[name]
    if not list[k].requires_grad then
      local text = 'loss "%s" depends on no parameter that stage "%s" trains; take it out, or train more'
      error(text:format(name, run.stage.name), 0)
    end
  end
  local ctx = { losses = run.loss_names, values = values, main = run.main, step = run.state.step + 1,
    epoch = (run.state.epoch or 0) + 1, lr = s.lr, state = run.gate_state, params = run.param_paths }
  function ctx.reevaluate()
    return aside(step, run, s.start, function()
      return core.no_grad(function() return select(2, weighted_losses(step, run, s.batch, s.weights)) end)
    end)
  end
  function ctx.halves()
    return aside(step, run, s.start, function() return halves(step, run, s.batch, s.weights) end)
  end
  local update, record = walks.back(run.gate, list, run.params, ctx, s.y)
  local after = type(run.gate) == "table" and run.gate.after
  return update, record, after and function() after(ctx) end or nil
end
