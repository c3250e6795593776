-- The loop of a run: stages, epochs, steps, validation, checkpoints, requests. What changes lives in
-- `position` (where the run is), `state` (what schedules see, per stage) and `gate_state`; all three are
-- saved, with the models and the optimiser.
local average = require "rille.run.average"
local Cache = require "rille.run.cache"
local checkpoint = require "rille.run.checkpoint"
local core = require "rille.core"
local parts = require "rille.run.parts"
local prompt = require "rille.run.prompt"
local reload = require "rille.run.reload"
local requests = require "rille.run.requests"
local stage = require "rille.run.stage"
local step = require "rille.run.step"
local tell = require "rille.run.tell"
local validate = require "rille.run.validate"

local runner = {}

local SAVE_EVERY_S = 60

---A request to leave, raised through the loop; the program turns it into exit code 130.
local function leave(run, why)
  error({ interrupted = true, text = ("%s; saved at step %s, go on with --resume %s"):format(why,
    run.keeper.saved_step or "none", run.dir) }, 0)
end

-- ---- saving

local function state_to_save(run, optimisers)
  local p, state = run.position, {}
  for k, v in pairs(run.state or {}) do
    if k ~= "options" then state[k] = v end
  end
  return { run_step = p.run_step, position = p, state = state, gate_states = run.gate_states,
    random = core.random_state(),
    log_bytes = run.log.bytes, journal = run.journal:place(), best = p.best, classes = run.feed.classes,
    optimisers = optimisers, seconds = run.seconds }
end

-- What a state speaks of is on the disk before it: log, journal, the best weights.
local function put_before(run)
  local ok, why = run.log:sync()
  if ok then ok, why = run.journal:sync() end
  if ok then ok, why = validate.put_best(run) end
  return ok, why
end

local function save(run, is_inside, is_end)
  run.seconds = run.seconds + (core.clock() - run.clock)
  run.clock = core.clock()
  local function warn(text) run.log:warn(text, run.position.run_step) end
  local ok, why = put_before(run)
  if ok then
    local tensors, optimisers = checkpoint.gather(run, is_inside)
    checkpoint.save(run.keeper, tensors, state_to_save(run, optimisers), warn, is_end)
  else
    checkpoint.failed(run.keeper, run.position.run_step, why, warn)
  end
  run.saved_at = core.clock()
end

local function is_time_to_save(run)
  local every = run.checkpoint_steps
  if every then return run.position.run_step % every == 0 end
  return core.clock() - run.saved_at >= SAVE_EVERY_S
end

-- ---- requests between steps

local function answer_requests(run)
  prompt.replay(run)
  local asked, ended = core.signals()
  if asked + ended == 0 then return end
  if ended > 0 or asked > 1 or not (run.has_prompt and core.isatty(0)) then
    save(run, true)
    leave(run, "interrupted")
  end
  local answer = prompt.open(run, run.prompt_io)
  if answer ~= "continue" then
    save(run, true)
    leave(run, answer == "stop" and "stopped" or "interrupted")
  end
end

-- ---- one epoch

local function add_sums(run, result, n)
  local p = run.position
  p.seen = p.seen + n
  for name, v in pairs(result.values) do p.sums[name] = (p.sums[name] or 0) + v * n end
  p.sums.loss = (p.sums.loss or 0) + result.total * n
end

-- A step that raised: where nothing had moved yet, the state before it is saved.
local function fail(run, why)
  local text = type(why) == "table" and why.text or why
  if type(text) ~= "string" then error(why, 0) end
  if not run.has_moved and run.position.run_step > 0 then save(run, true) end
  local form = "; the state of step %d is kept, look at it with: rille repl %s"
  local kept = run.keeper.saved_step
  error(text .. (kept and form:format(kept, run.dir) or ""), 0)
end

local function train_step(run, batches)
  local began, n = core.clock(), 0
  local last = batches[#batches]
  run.batch = last
  local ok, result = pcall(step.train, run, batches)
  if not ok then fail(run, result) end
  if not result then -- given up; the step never was
    save(run, true)
    leave(run, "interrupted")
  end
  for _, b in ipairs(batches) do n = n + b.image.shape[1] end
  local p = run.position
  run.state.step, p.run_step, p.batch = run.state.step + 1, p.run_step + 1, p.batch + #batches
  p.cursor = last.cursor
  run.state.run_step, run.state.losses, run.values = p.run_step, result.values, result.values
  add_sums(run, result, n)
  local seconds = core.clock() - began
  tell.step(run, result, n, seconds)
  tell.progress(run, result, n, seconds)
end

-- The steps that are left of the position's epoch, each on one batch or on `accumulate` of them; the last may
-- have fewer. Ends early when the stage's steps are used up.
local function train_epoch(run)
  local p, batches, several = run.position, {}, run.stage.accumulate or 1
  local o = { batch = run.batch_size, stage = p.stage, epoch = p.epoch, cursor = p.cursor,
    augment = run.augments }
  for batch in run.feed:batches("train", o) do
    batches[#batches + 1] = batch
    local is_last = batch.is_last
    if #batches == several or is_last then
      train_step(run, batches)
      batches = {}
      if run.stage.ends.steps and run.state.step >= run.stage.ends.steps then return end
      if not is_last then answer_requests(run) end
      reload.look(run)
      -- behind the changes: a state holds all that was done at its step
      if not is_last and is_time_to_save(run) then save(run, true) end
    end
  end
end

local function end_epoch(run)
  local p, train = run.position, {}
  for name, v in pairs(p.sums) do train[name] = v / math.max(1, p.seen) end
  run.state.epoch, p.is_trained = p.epoch, true
  local is_best, val = requests.insist(function() answer_requests(run) end, validate.epoch, run)
  run.log:put { kind = "epoch", stage = run.stage.name, epoch = p.epoch, step = p.run_step, train = train,
    val = val, best = is_best,
    seconds = core.clock() - run.epoch_began }
  run.progress:say(("%s: epoch %d, train %s%s%s"):format(run.stage.name, p.epoch, validate.text(train),
    val and ", val " .. validate.text(val) or "",
    is_best and ", best so far" or ""))
  p.epoch, p.batch, p.cursor, p.sums, p.seen, p.is_trained = p.epoch + 1, 0, 0, {}, 0, nil
  answer_requests(run)
  save(run, true)
end

-- ---- one stage

local function begin_stage(run, k)
  local s = run.stages[k]
  if not run.is_resumed_inside then
    run.state = parts.fresh_state(run, s)
    run.gate_states, run.seconds = {}, 0
    run.position.best, run.position.sums, run.position.seen = nil, {}, 0
  end
  run.state.options = run.options
  run.batch_size = s.batch or run.options.batch
  run.augments = run.feed:augments() and s.augment ~= false
  parts.enter(run, s)
  tell.stage(run, not run.is_resumed_inside)
  average.begin(run, run.resumed_stage and run.resumed_stage())
  run.cache, run.resumed_stage = nil, nil
  local random = core.random_state()
  run.cache = requests.insist(function() answer_requests(run) end, Cache.make, run, run.augments)
  core.random_state(random)
  run.pace, run.clock, run.epoch_began = nil, core.clock(), core.clock()
  core.reset_peak()
end

local function take_best(run)
  local best = run.position.best
  if not best then return average.settle(run) end
  local unsaved = run.unsaved_best
  checkpoint.put_weights(run.models, unsaved and unsaved.tensors
    or checkpoint.read_weights(checkpoint.folder(run.dir) .. "/" .. best.file))
end

local function end_stage(run, reason)
  local p, best = run.position, run.position.best
  take_best(run)
  local spent = run.seconds + core.clock() - run.clock
  run.log:put { kind = "stage", stage = run.stage.name, event = "end", step = p.run_step,
    epoch = run.state.epoch, seconds = spent,
    peak_mib = core.memory().peak / 2 ^ 20, best_epoch = best and best.epoch,
    seconds_to_best = best and best.seconds, reason = reason }
  run.progress:say(('stage "%s" is over: %s%s'):format(run.stage.name, reason,
    best and (", weights of epoch %d"):format(best.epoch) or ""))
  p.stage, p.epoch, p.batch, p.cursor, p.best, p.sums, p.seen = p.stage + 1, 1, 0, 0, nil, {}, 0
  run.cache, run.batch, run.averages, run.is_resumed_inside = nil, nil, nil, false
  save(run, false, true)
end

local function run_stage(run)
  if run.is_resumed_inside then reload.look(run) end -- what was wrong may have been put right
  begin_stage(run, run.position.stage)
  local reason = run.position.batch == 0 and stage.is_over(run.stage, run.state)
  while not reason do
    run.epoch_began = core.clock()
    local is_cut = run.stage.ends.steps and run.state.step >= run.stage.ends.steps
    if not (is_cut or run.position.is_trained) then train_epoch(run) end
    end_epoch(run)
    reason = stage.is_over(run.stage, run.state)
  end
  end_stage(run, reason)
end

---Train all stages from the run's position on.
---
---Raises: { interrupted = true, text } on request, after saving; a text when something is wrong.
---@param run table made by rille.run.start
function runner.train(run)
  run.saved_at, run.clock = core.clock(), core.clock()
  core.signals_install()
  core.signals_clear()
  local ok, why = pcall(function()
    while run.position.stage <= #run.stages do run_stage(run) end
  end)
  core.signals_mode(0, false)
  core.signals_restore()
  core.signals_clear()
  if not ok then error(why, 0) end
end

return runner
