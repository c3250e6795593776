-- The prompt inside a run, between two steps: live models, the last batch and its outputs, and run:set. It
-- draws from its own random stream and records no gradients unless asked, so that looking does not change
-- the run.
local build = require "rille.run.build"
local core = require "rille.core"
local edit = require "rille.run.edit"
local outputs = require "rille.run.outputs"
local parts = require "rille.run.parts"
local paths = require "rille.run.paths"
local reload = require "rille.run.reload"
local repl = require "rille.repl"
local replay = require "rille.run.replay"
local step = require "rille.run.step"
local telemetry = require "rille.gating.telemetry"
local turn = require "rille.run.turn"

local prompt = {}

local PROMPT_STREAM = 1

-- The outputs of the last batch, computed when first asked for; buffers and random state stay as they are.
local function outputs_of(run)
  local kept = step.keep(run)
  local ok, y = pcall(core.no_grad, step.outputs, run, run.batch)
  if not ok then
    step.restore(kept)
    error(y, 0)
  end
  return setmetatable({}, { __index = function(_, name)
    local before = step.keep(run)
    local done, value = pcall(core.no_grad, function() return y[name] end)
    step.restore(before)
    if not done then error(value, 0) end
    return value
  end, __tostring = function() return "outputs: " .. table.concat(outputs.names(y), ", ") end })
end

-- The turn whose losses are asked for: that which has the loss, or the first.
local function part_of(run, name)
  for _, p in ipairs(run.parts) do
    for _, other in ipairs(p.loss_names) do
      if name == nil or other == name then return p end
    end
  end
  error(paths.missing(tostring(name), parts.all_losses(run)), 0)
end

-- Gradients of a loss, or of the weighted sum of a turn's losses, on the last batch, by parameter.
local function gradients_of(run, name)
  if not run.batch then error("there is no batch yet; take a step", 0) end
  local part, kept = part_of(run, name), step.keep(run)
  local was = core.grad_enable(true)
  local ok, grads = pcall(function()
    local y, weights = step.outputs(run, run.batch), turn.weights(part.turn, run.state.step + 1, run.state)
    local sum
    for _, loss in ipairs(name and { name } or part.loss_names) do
      local t = run.recipe.table.losses[loss](y, run.batch, run.models, run.options)
      t = t * (name and 1 or weights[loss])
      sum = sum and sum + t or t
    end
    return core.grads({ sum }, part.params)[1]
  end)
  core.grad_enable(was)
  step.restore(kept)
  if not ok then error(grads, 0) end
  local out = {}
  for k, path in ipairs(part.param_paths) do out[path] = grads[k] end
  return out
end

-- What `run` is at the prompt.
local function handle(run, exit)
  local self = { stage = run.stage.name, step = run.position.run_step, epoch = run.position.epoch,
    dir = run.dir,
    options = run.options, stages = run.stages, state = run.state }
  function self.set(_, path, value)
    edit.set(run, path, value)
    self.stages = run.stages
  end
  function self.conflicts() return telemetry.conflicts(run.gate_state) end
  function self.gradients(_, name) return gradients_of(run, name) end
  function self.continue() exit.over = "continue" end
  function self.stop() exit.over = "stop" end
  return setmetatable(self, { __tostring = function()
    local at = ('stage "%s", epoch %d, step %d'):format(self.stage, self.epoch, self.step)
    return at .. "; run:set(path, value), run:gradients(loss), run:conflicts(), run:continue(), run:stop()"
  end })
end

local function environment(run, exit)
  local env = repl.environment { run = handle(run, exit), models = run.models, batch = run.batch,
    losses = run.values or {} }
  env.params = {}
  for _, p in ipairs(build.parameters(run.models)) do env.params[p.path] = p.tensor end
  local meta = getmetatable(env)
  meta.__index = function(t, name)
    if name == "y" and run.batch then
      rawset(t, "y", outputs_of(run))
      return rawget(t, "y")
    end
    return _G[name]
  end
  return env
end

-- Runs f() as everything at the prompt runs: from its own random stream, without gradients unless they are
-- asked for.
local function aside(f)
  local random, stream = core.random_state(), core.random_stream(PROMPT_STREAM)
  local was = core.grad_enable(false)
  core.signals_mode(0, false)
  local ok, why = pcall(f)
  core.grad_enable(was)
  core.random_stream(stream)
  core.random_state(random)
  core.signals_clear()
  if not ok then error(why, 0) end
end

local function put_chunk(run, text, ok)
  run.journal:put { step = run.position.run_step, kind = "chunk", text = text, failed = not ok or nil,
    outside = replay.outside(text) }
end

---Run the chunks of a replay that are due, as if they were typed.
---@param run table
function prompt.replay(run)
  local next_change, exit = replay.due(run, "chunk"), {}
  local c = next_change()
  while c do
    local env, session = environment(run, exit), c.session
    aside(function()
      while c and c.session == session do
        run.progress:say("replay: " .. replay.text(c))
        if c.kind == "reload" then
          reload.take(run, c.text)
        else
          local chunk = repl.compile(c.text, env)
          put_chunk(run, c.text, chunk ~= nil and (pcall(chunk)))
        end
        c = next_change()
      end
    end)
  end
end

---Open the prompt.
---@param run table
---@param io_? { read: function?, out: function? } for tests
---@return "continue"|"stop"|"interrupted"
function prompt.open(run, io_)
  local exit = {}
  core.signals_clear()
  local where = ('paused before step %d, stage "%s"'):format(run.position.run_step + 1, run.stage.name)
  run.progress:say(where .. "; run:set(path, value), run:continue() or Ctrl-D, run:stop()")
  aside(function()
    repl.loop { env = environment(run, exit), prompt = "run> ", more = "...> ", read = io_ and io_.read,
      out = io_ and io_.out, is_over = function() return exit.over ~= nil end,
      on_interrupt = function()
        exit.over = "interrupted"
        return true
      end,
      on_chunk = function(text, ok) put_chunk(run, text, ok) end }
  end)
  return exit.over or "continue"
end

return prompt
