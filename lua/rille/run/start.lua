-- A run folder: begun, or opened again where its last whole checkpoint left it.
local build = require "rille.run.build"
local checkpoint = require "rille.run.checkpoint"
local core = require "rille.core"
local edit = require "rille.run.edit"
local Feed = require "rille.run.feed"
local files = require "rille.util.files"
local Journal = require "rille.run.journal"
local json = require "rille.util.json"
local Log = require "rille.run.log"
local lfs = require "lfs"
local look = require "rille.run.look"
local machine = require "rille.run.machine"
local parts = require "rille.run.parts"
local Progress = require "rille.run.progress"
local Recipe = require "rille.run.recipe"
local replay = require "rille.run.replay"
local saved = require "rille.gating.saved"

local start = {}

local function plain_stages(stages)
  local out = {}
  for k, s in ipairs(stages) do
    out[k] = Log.plain(s)
    if s.turns then
      local trains = {}
      for i, t in ipairs(s.turns) do trains[i] = ("%s: %s"):format(t.name, t.trains) end
      out[k].trains = table.concat(trains, "; ")
    end
  end
  return out
end

local function plain_models(models)
  local out = {}
  for k, name in ipairs(build.sorted_names(models)) do
    out[k] = { name = name, parameters = models[name]:count() }
  end
  return out
end

local function write_info(run, o)
  local about = machine.describe()
  local info = { recipe = run.recipe.file, recipe_text = run.recipe.text, preset = run.recipe.preset,
    set = run.recipe.set, seed = run.seed,
    options = Log.plain(run.options), stages = plain_stages(run.stages), models = plain_models(run.models),
    data = { dir = run.feed.dir, name = run.feed.name, classes = run.feed.classes,
      findings = run.feed.findings,
      counts = run.feed.counts, given = o.data },
    versions = { rille = about.version, lua = about.lua }, cpu = about.cpu, isa = about.isa,
    threads = about.threads, blas = about.blas,
    started = os.date "!%Y-%m-%d %H:%M:%S" }
  files.write(run.dir .. "/run.json", json.encode(info) .. "\n")
end

---A folder for a new run below `runs` when none was named: runs/NAME-1, runs/NAME-2 ...
---@param name string of the recipe
---@return string
function start.free_folder(name)
  local n = 1
  while files.kind(("runs/%s-%d"):format(name, n)) do n = n + 1 end
  return ("runs/%s-%d"):format(name, n)
end

---The newest run of a recipe below `runs`, for a bare --resume.
---@param name string
---@return string? folder
function start.newest(name)
  local best, number
  for _, dir in ipairs(files.list "runs") do
    local base, n = dir:match("^(.*)%-(%d+)$")
    if base == name and files.kind("runs/" .. dir .. "/run.json")
      and (not number or tonumber(n) > number) then
      best, number = "runs/" .. dir, tonumber(n)
    end
  end
  return best
end

local function lock(dir)
  local handle, why, code, pid = core.lock_file(dir .. "/lock")
  if handle then return handle end
  if code == "busy" then
    error(('run: "%s" is at work in process %d; wait for it, or give another folder with --out'):format(dir,
      pid), 0)
  end
  error(why, 0)
end

local function new_run(recipe, o)
  local run = { recipe = recipe, base = recipe, stages = recipe.stages, options = recipe.options,
    seed = o.seed, dir = o.dir, data = o.data,
    checkpoint_steps = o.checkpoint_steps, has_prompt = o.has_prompt, prompt_io = o.prompt_io,
    watch = o.watch,
    progress = Progress.new { quiet = o.quiet },
    position = { stage = 1, epoch = 1, batch = 0, cursor = 0, run_step = 0, sums = {}, seen = 0 },
    seconds = 0 }
  run.speaks = run.progress.is_live
  return run
end

-- Data, then models: the number of classes decides the last layer.
local function build_run(run)
  run.feed = Feed.open(run.recipe, { dir = run.data, out = files.folder(run.dir), seed = run.seed,
    say = function(text) run.progress:say(text) end })
  run.feed:describe(run.options)
  run.models = build.models(run.recipe, run.options, run.seed)
  parts.check_stages(run)
  run.recipe_stamp = files.stamp(run.recipe.file)
end

---Begin a run.
---
---Raises: a text when the folder has a run already, or something in the recipe or the data is wrong.
---@param recipe table
---@param o table dir, seed; data, checkpoint_steps, has_prompt, quiet, replay (changes to come), watch (nan:
---  every result of every step is read; grads: norms of all gradients are logged) if wanted
---@return table run
function start.new(recipe, o)
  if files.kind(o.dir .. "/run.json") then
    local cure = ("go on with --resume %s, or give another folder with --out"):format(o.dir)
    error(('run: "%s" holds a run already; %s'):format(o.dir, cure), 0)
  end
  local run = new_run(recipe, o)
  files.make_folder(run.dir)
  run.lock = lock(run.dir)
  build_run(run)
  local findings = look.over(run.feed)
  look.outputs(run)
  write_info(run, o)
  run.log = Log.open(run.dir .. "/log.jsonl")
  run.log.clear = function() run.progress:clear() end
  for _, text in ipairs(findings) do run.log:warn(text) end
  run.journal = Journal.open(run.dir .. "/journal.jsonl")
  run.keeper = { dir = run.dir, failures = 0, number = 0 }
  if o.replay then
    replay.write(run.dir, o.replay)
    run.replay = o.replay
  end
  return run
end

---What run.json says.
---@param dir string
---@return table
function start.read_info(dir)
  local text = files.read(dir .. "/run.json")
  if not text then
    error(('run: "%s" holds no run, there is no run.json in it; name a run\'s folder'):format(dir), 0)
  end
  local ok, info = pcall(json.decode, text)
  if not ok or type(info) ~= "table" or not info.recipe_text then
    error(('run: "%s/run.json" is damaged; begin the run anew'):format(dir), 0)
  end
  return info
end

---The recipe of a run folder, as it was when the run began.
---@param info table of read_info
---@return table recipe
function start.recipe_of(info)
  return Recipe.load(info.recipe, { text = info.recipe_text, preset = info.preset, set = info.set })
end

local function same_classes(run, state)
  local a, b = table.concat(run.feed.classes, ", "), table.concat(state.classes, ", ")
  if a ~= b then
    error(("data: the classes are %s, but the run was trained on %s; give the same data"):format(a, b), 0)
  end
end

-- The optimisers are made before the journal is applied, which may give them other parameters; what they
-- remember is loaded when the stage is entered.
local function put_state(run, tensors, state, entries)
  local model, optim, ema, gate = checkpoint.split(tensors)
  local p = state.position
  run.position, run.state, run.seconds = p, state.state, state.seconds or 0
  run.gate_states = saved.join(state.gate_states or {}, gate)
  run.is_resumed_inside = state.optimisers ~= nil
  checkpoint.put_weights(run.models, model)
  if p.stage <= #run.stages then
    run.state.options = run.options
    local gate_states = run.gate_states
    parts.enter(run, run.stages[p.stage], 0)
    edit.replay_fields(run, entries)
    run.gate_states = gate_states
  end
  core.random_state(state.random)
  if state.optimisers then
    run.resumed_stage = function()
      checkpoint.put_optimisers(run, optim, state.optimisers)
      core.random_state(state.random)
      return ema
    end
  end
end

local COPIED = { "run.json", "log.jsonl", "journal.jsonl", "replay.json" }

---A second run that begins as a copy of another one, to be resumed and then changed on its own. Checkpoints
---are never written over, so they are linked where the file system can.
---@param dir string
---@param out string a folder without a run
function start.branch(dir, out)
  start.read_info(dir)
  if files.kind(out .. "/run.json") then
    error(('run: "%s" holds a run already; give another folder with --out'):format(out), 0)
  end
  files.make_folder(out .. "/checkpoints")
  for _, name in ipairs(files.list(dir .. "/checkpoints")) do
    local from, to = dir .. "/checkpoints/" .. name, out .. "/checkpoints/" .. name
    if not lfs.link(from, to) then files.write(to, assert(files.read(from))) end
  end
  for k = #COPIED, 1, -1 do -- run.json last: without it the folder is no run
    local text = files.read(dir .. "/" .. COPIED[k])
    if text then files.write(out .. "/" .. COPIED[k], text) end
  end
end

---Open a run again at its last whole checkpoint; log and journal are cut back to it.
---@param dir string
---@param o { data: string?, checkpoint_steps: integer?, has_prompt: boolean?, quiet: boolean?, at: integer? }
---@return table run
function start.resume(dir, o)
  local info = start.read_info(dir)
  local recipe = start.recipe_of(info)
  local run = new_run(recipe, { dir = dir, seed = info.seed, data = o.data or info.data.given,
    checkpoint_steps = o.checkpoint_steps,
    has_prompt = o.has_prompt, prompt_io = o.prompt_io, quiet = o.quiet, watch = o.watch })
  run.lock = lock(dir)
  build_run(run)
  local tensors, state, newest = checkpoint.load(dir, function(text) run.progress:say(text) end, o.at)
  if o.at and not state then
    error(('run: "%s" keeps no checkpoint at or before step %d; it has %s'):format(dir, o.at,
      table.concat(checkpoint.steps(dir), ", ")), 0)
  end
  run.keeper = { dir = dir, failures = 0, number = newest, saved_step = state and state.run_step,
    best_now = state and state.best and state.best.file }
  run.log = Log.open(dir .. "/log.jsonl", state and state.log_bytes or 0)
  run.log.clear = function() run.progress:clear() end
  local entries
  run.journal, entries = Journal.open(dir .. "/journal.jsonl",
    state and state.journal or { bytes = 0, chain = 0 })
  if state then
    same_classes(run, state)
    put_state(run, tensors, state, entries)
    local p = state.position
    run.progress:say(("resumed at step %d (stage %d of %d, epoch %d, batch %d)"):format(p.run_step,
      math.min(p.stage, #run.stages), #run.stages,
      p.epoch, p.batch + 1))
  else
    run.progress:say "no checkpoint yet: the run begins anew"
  end
  run.replay = replay.read(dir)
  run.recipe_stamp = nil -- a recipe that changed meanwhile is taken up as a reload
  return run
end

return start
