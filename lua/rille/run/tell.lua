-- What a run writes down and shows of its stages and steps.
local build = require "rille.run.build"
local stage = require "rille.run.stage"
local turn = require "rille.run.turn"

local tell = {}

---A gate's flat record with its layers apart: "layer.PATH.cos" becomes layers[PATH].cos.
---@param record table
---@return table
function tell.gate_record(record)
  local out, layers = {}, {}
  for key, v in pairs(record) do
    local path, name = key:match("^layer%.(.*)%.([%w_]+)$")
    if path then
      layers[path] = layers[path] or {}
      layers[path][name] = v
    else
      out[key] = v
    end
  end
  out.layers = next(layers) and layers or nil
  return out
end

---Log a step.
---@param run table
---@param result table of step.train
---@param images integer
---@param seconds number
function tell.step(run, result, images, seconds)
  run.log:put { kind = "step", stage = run.stage.name, step = run.position.run_step,
    epoch = run.position.epoch, losses = result.values,
    weights = result.weights, total = result.total, lr = result.lr, gradient = result.norm,
    turns = result.turns, gradients = result.norms, telemetry = result.telemetry, images = images,
    seconds = seconds, gate = result.record and tell.gate_record(result.record) }
end

local function remaining(run, s_per_step)
  local e, per = run.stage.ends, run.state.steps_per_epoch
  local total = e.steps or e.epochs and e.epochs * per
  if not total then return nil, nil end
  if e.steps and e.epochs then total = math.min(e.steps, e.epochs * per) end
  return total, math.max(0, total - run.state.step) * s_per_step
end

---Show a step: a line that is rewritten, or now and then one that stays.
---@param run table
---@param result table of step.train
---@param images integer
---@param seconds number
function tell.progress(run, result, images, seconds)
  run.pace = run.pace and run.pace + 0.1 * (seconds - run.pace) or seconds
  local of, eta = remaining(run, run.pace)
  run.progress:step { stage = run.stage.name, epoch = run.position.epoch, step = run.state.step, of = of,
    losses = result.values, rate = images / run.pace, eta = eta }
end

local function count(list)
  local n = 0
  for _, t in ipairs(list) do n = n + t:numel() end
  return n
end

-- Numbers that this stage and those before it train, each counted once.
local function in_all(run, all)
  local n = 0
  for _, p in ipairs(all) do
    local is_trained = false
    for k = 1, run.position.stage do
      for _, t in ipairs(stage.turns(run.stages[k])) do
        is_trained = is_trained or turn.is_trained(t.trains, p.path)
      end
    end
    if is_trained then n = n + p.tensor:numel() end
  end
  return n
end

---Say that a stage begins or goes on; log it when it begins.
---@param run table
---@param is_new boolean
function tell.stage(run, is_new)
  local s, all, at_once = run.stage, build.parameters(run.models), 0
  for _, p in ipairs(run.parts) do at_once = math.max(at_once, count(p.params)) end
  local trained = build.count(all, true)
  run.progress:say(('stage "%s": trains %d of %d numbers, %d images in batches of %d%s'):format(s.name,
    trained, build.count(all), run.feed.counts.train, run.batch_size,
    s.accumulate and (", %d to a step"):format(s.accumulate) or ""))
  if not is_new then return end
  run.log:put { kind = "stage", stage = s.name, event = "begin", step = run.position.run_step,
    parameters_trained = trained, parameters_at_once = at_once, parameters_in_all = in_all(run, all),
    parameters_frozen = build.count(all, false),
    optimiser = stage.choices(s, "optimiser"), gate = stage.choices(s, "gate") }
end

return tell
