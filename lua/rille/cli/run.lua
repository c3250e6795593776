-- rille run: train a recipe, score it, write its report.
local common = require "rille.cli.common"
local files = require "rille.util.files"

local command = { name = "run", usage = "RECIPE [options]",
  words = { least = 0, most = 1, what = "a recipe" },
  doc = "train a recipe: its stages, then test figures and a report, in a run folder",
  options = { common.PRESET, common.DATA, { name = "out", value = "DIR",
    doc = "the run's folder (default runs/RECIPE-N)" },
    common.SEED,
    { name = "seeds", value = "A..B", doc = "one run per seed, in DIR/seedN, and a table of all" },
    { name = "vary", value = "PATH=A,B", many = true,
      doc = "one run per value (and seed), in DIR/PATH=A-seedN; may be repeated" }, common.THREADS,
    common.SET,
    { name = "resume", value = "RUN", bare = true,
      doc = "go on with a run; without RUN, with the recipe's newest" },
    { name = "at", value = "STEP", kind = "integer", lo = 0,
      doc = "with --resume: from the newest checkpoint at or before it; with --out as a run of its own" },
    { name = "replay", value = "RUN", doc = "repeat a run with the changes made by hand in it" },
    { name = "drop", value = "K", kind = "integer", lo = 1, many = true,
      doc = "with --replay: leave out change K; may be repeated" },
    { name = "shift", value = "K:+N", many = true,
      doc = "with --replay: change K comes N steps later (or -N)" },
    { name = "checkpoint-steps", value = "N", kind = "integer", lo = 1,
      doc = "save after every N steps instead of each minute" },
    { name = "watch", value = "WHAT",
      doc = "nan: read every result of every step, stop where one is not finite; grads: log all norms" },
    common.QUIET } }

-- What every way to begin or go on with a run takes.
local function common_options(o, more)
  more.checkpoint_steps, more.has_prompt, more.quiet, more.watch = o.checkpoint_steps, true, o.quiet, o.watch
  more.data = o.data or more.data
  return more
end

local function wrong(text) error({ usage = "run: " .. text }, 0) end

-- Trains and finishes one run; its lock is let go in every case.
local function work(run)
  local runner, finish = require "rille.run.runner", require "rille.run.finish"
  local ok, why = pcall(function()
    runner.train(run)
    finish.run(run)
  end)
  run.progress:clear()
  run.log:close()
  run.journal:close()
  if not ok then error(why, 0) end
end

local function seeds_of(text)
  local a, b = text:match("^(%d+)%.%.(%d+)$")
  if not a then a = text:match("^%d+$") b = a end
  if not a or tonumber(a) > tonumber(b) then wrong('--seeds takes a range, as 1..5, not "' .. text .. '"') end
  return math.tointeger(tonumber(a)), math.tointeger(tonumber(b))
end

local function resume(o)
  local start = require "rille.run.start"
  local dir = o.resume
  if dir == true then
    if o.out then
      dir = o.out
    elseif o[1] then
      local recipe = require "rille.run.recipe"
      dir = start.newest(recipe.find(o[1]):match("([^/]+)%.lua$"))
    end
    if not dir then wrong("--resume: no run of this recipe is in runs/; name its folder") end
  end
  if o.set or o.preset or o.seed or o.seeds then
    wrong "--resume takes the options of the run; change the recipe's file, or start a new run"
  end
  if o.out and o.out ~= dir then
    start.branch(dir, o.out)
    dir = o.out
  end
  local run <close> = setmetatable({}, { __close = function() collectgarbage() end })
  run.it = start.resume(dir, common_options(o, { at = o.at }))
  work(run.it)
  return 0
end

local function replay_run(o)
  local start, replay = require "rille.run.start", require "rille.run.replay"
  if o[1] or o.set or o.preset or o.seed or o.seeds then
    wrong "--replay takes recipe, options and seed of the run; --out, --data, --drop, --shift go with it"
  end
  local info, shift = start.read_info(o.replay), {}
  for _, text in ipairs(o.shift or {}) do
    local k, n = text:match "^(%d+):([+-]%d+)$"
    if not k then wrong('--shift takes K:+N or K:-N, as 2:+100, not "' .. text .. '"') end
    shift[math.tointeger(tonumber(k))] = math.tointeger(tonumber(n))
  end
  local queue = replay.edit(replay.changes(o.replay), o.drop or {}, shift)
  if not o.quiet then
    for _, c in ipairs(queue) do print(replay.text(c)) end
  end
  local recipe = start.recipe_of(info)
  local run = start.new(recipe, common_options(o, { dir = o.out or start.free_folder(recipe.name),
    seed = info.seed, data = info.data.given, replay = queue }))
  local dir = run.dir
  work(run)
  print(dir)
  return 0
end

local function run_seed(o, seed, dir, set)
  local start, recipe = require "rille.run.start", require "rille.run.recipe"
  local run = start.new(recipe.load(o[1], { preset = o.preset, set = set or o.set }),
    common_options(o, { dir = dir, seed = seed }))
  work(run)
  print(dir)
end

-- The runs of a sweep; a value that the recipe does not take is told before the first hour is spent.
local function plan_of(o)
  local sweep, recipe = require "rille.run.sweep", require "rille.run.recipe"
  local parts = require "rille.run.parts"
  local first, last, varied = o.seed or 1, o.seed or 1, {}
  if o.seeds then first, last = seeds_of(o.seeds) end
  for k, text in ipairs(o.vary or {}) do varied[k] = sweep.parse(text) end
  local plan = sweep.plan(varied, first, last)
  for _, one in ipairs(plan) do
    one.set = table.move(one.set, 1, #one.set, #(o.set or {}) + 1, { table.unpack(o.set or {}) })
    parts.check_gates(recipe.load(o[1], { preset = o.preset, set = one.set }).stages)
  end
  return plan
end

-- Every combination of a sweep: what is there already is left, what was cut short goes on.
local function run_all(o, dir)
  local start, plan, dirs = require "rille.run.start", plan_of(o), {}
  for k, one in ipairs(plan) do
    dirs[k] = dir .. "/" .. one.name
    if not o.quiet then print(("run %d of %d: %s"):format(k, #plan, dirs[k])) end
    if files.kind(dirs[k] .. "/metrics.json") then
      print(dirs[k] .. " is there already")
    elseif files.kind(dirs[k] .. "/run.json") then
      work(start.resume(dirs[k], common_options(o, {})))
    else
      run_seed(o, one.seed, dirs[k], one.set)
    end
    collectgarbage()
  end
  local compare = require "rille.report.compare"
  print(compare.text(dirs))
  print(compare.write(dirs, dir .. "/compare.html"))
end

function command.run(o)
  common.threads(o)
  if o.watch and o.watch ~= "nan" and o.watch ~= "grads" then wrong "--watch takes nan or grads" end
  if o.resume then return resume(o) end
  if o.replay then return replay_run(o) end
  if o.drop or o.shift then wrong "--drop and --shift go with --replay" end
  if not o[1] then wrong "needs a recipe; rille run --help" end
  if o.at then wrong "--at goes with --resume" end
  if o.seeds and o.seed then wrong "--seed and --seeds exclude each other" end
  if o.seeds then seeds_of(o.seeds) end
  local recipe, start = require "rille.run.recipe", require "rille.run.start"
  local name = recipe.find(o[1]):match("([^/]+)%.lua$")
  local dir = (o.out or start.free_folder(name)):gsub("(.)/+$", "%1")
  if o.seeds or o.vary then
    run_all(o, dir)
  else
    run_seed(o, o.seed or 1, dir)
  end
  return 0
end

return command
