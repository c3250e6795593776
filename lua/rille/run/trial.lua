-- A recipe tried without a run folder: every stage does two steps on one batch. For rille check and rille
-- bench.
local build = require "rille.run.build"
local core = require "rille.core"
local Feed = require "rille.run.feed"
local files = require "rille.util.files"
local look = require "rille.run.look"
local outputs = require "rille.run.outputs"
local parts = require "rille.run.parts"
local Progress = require "rille.run.progress"
local stage = require "rille.run.stage"
local step = require "rille.run.step"

local trial = {}

---A run without a folder, at the beginning of its first stage.
---@param recipe table
---@param o { data: string?, seed: integer, quiet: boolean? }
---@return table run
function trial.open(recipe, o)
  local run = { recipe = recipe, base = recipe, stages = recipe.stages, options = recipe.options,
    seed = o.seed, dir = ".",
    progress = Progress.new { quiet = o.quiet },
    position = { stage = 1, epoch = 1, batch = 0, run_step = 0, sums = {}, seen = 0 } }
  run.feed = Feed.open(recipe, { dir = o.data, out = files.cache_folder(), seed = o.seed,
    say = function(text) run.progress:say(text) end })
  run.feed:describe(run.options)
  run.models = build.models(recipe, run.options, o.seed)
  parts.check_stages(run)
  return run
end

---Enter a stage as the runner does, without caches.
---@param run table
---@param k integer
---@param n? integer the batch is the first n images of the training split, as they are
---@return table batch by default the first of the stage's first epoch
function trial.enter(run, k, n)
  local s = run.stages[k]
  run.position.stage, run.position.run_step = k, 0
  run.state = parts.fresh_state(run, s)
  run.gate_states = {}
  run.batch_size = s.batch or run.options.batch
  parts.enter(run, s)
  if n then return run.feed:fixed("train", n)() end
  local next_batch = run.feed:batches("train", { batch = run.batch_size, stage = k, epoch = 1, cursor = 0,
    augment = run.feed:augments() and s.augment ~= false })
  return next_batch()
end

---One step of the runner's own kind.
---@param run table
---@param batch table
---@return table result
function trial.step(run, batch)
  local result = step.train(run, { batch })
  run.state.step, run.state.losses = run.state.step + 1, result.values
  return result
end

local function shapes(run, batch)
  local lines, kept = {}, step.keep(run)
  core.no_grad(function()
    local y = outputs.wrap(run.recipe.table.forward(run.models, batch, run.options))
    for _, name in ipairs(outputs.names(y)) do
      local t = y[name]
      lines[#lines + 1] = ("%s %s"):format(name, core.is_tensor(t) and table.concat(t.shape, "x") or type(t))
    end
  end)
  step.restore(kept)
  return table.concat(lines, ", ")
end

local function counts_line(feed, split)
  local counts, out = feed:class_counts(split), {}
  for k, name in ipairs(feed.classes) do out[k] = ("%s %d"):format(name, counts[k]) end
  return ("  %-6s %d images: %s"):format(split, feed.counts[split], table.concat(out, ", "))
end

local function losses_text(values)
  local out = {}
  for k, name in ipairs(build.sorted_names(values)) do out[k] = ("%s %.4g"):format(name, values[name]) end
  return table.concat(out, ", ")
end

local function check_stage(run, k, out)
  local s = run.stages[k]
  local batch = trial.enter(run, k)
  local all = build.parameters(run.models)
  core.reset_peak()
  local first = trial.step(run, batch)
  local began = core.clock()
  trial.step(run, batch)
  local seconds, per = core.clock() - began, run.state.steps_per_epoch
  out(('stage "%s"'):format(s.name))
  out(("  trains    %d numbers, %d stay as they are; %s, gate %s"):format(build.count(all, true),
    build.count(all, false),
    stage.choices(s, "optimiser"), stage.choices(s, "gate")))
  out(("  losses    %s"):format(losses_text(first.values)))
  out(("  batch     %s; %d steps an epoch"):format(table.concat(batch.image.shape, "x"), per))
  local e = s.ends
  local total = e.steps or e.epochs and e.epochs * per
  out(("  time      %.3g s a step, %s an epoch%s"):format(seconds, Progress.time(seconds * per),
    total and (", %s the stage"):format(Progress.time(seconds * total)) or ""))
  out(("  memory    %.0f MiB at most"):format(core.memory().peak / 2 ^ 20))
end

local OVERFIT_STEPS, LEARNT = 100, 0.5

-- The summed loss behind so many steps on the same images; `show` tells at which steps it is kept.
local function overfit_stage(run, k, n, out)
  local batch = trial.enter(run, k, n)
  local first, last, shown = nil, nil, {}
  for s = 1, OVERFIT_STEPS do
    last = trial.step(run, batch).total
    first = first or last
    if s == 1 or s == 10 or s == 30 or s == OVERFIT_STEPS then
      shown[#shown + 1] = ("%.4g (step %d)"):format(last, s)
    end
  end
  out(('stage "%s" on the same %d images: loss %s'):format(run.stages[k].name, batch.image.shape[1],
    table.concat(shown, ", ")))
  if last >= first - LEARNT * math.abs(first) then
    out("  warning: it did not fall to half; look at the labels and maps of these images, at the rate, and "
      .. "at a floor of the loss (saliency maps and margins have one)")
  end
end

---Try whether every stage can learn a few images by heart: 100 steps on the first `n` of the training split,
---in turn with what the stages before have learnt of them.
---@param recipe table
---@param n integer images
---@param o { data: string?, seed: integer, out: fun(text: string) }
function trial.overfit(recipe, n, o)
  local run = trial.open(recipe, o)
  for k in ipairs(run.stages) do overfit_stage(run, k, n, o.out) end
end

---Try every stage of a recipe and tell what was found.
---
---Raises: whatever is wrong, as a run would.
---@param recipe table
---@param o { data: string?, seed: integer, out: fun(text: string) }
function trial.check(recipe, o)
  local run = trial.open(recipe, o)
  o.out(("recipe %s, preset %s, data %s"):format(recipe.file, recipe.preset, run.feed.dir))
  for _, split in ipairs { "train", "val", "test" } do o.out(counts_line(run.feed, split)) end
  local others = run.feed.counts.unlabelled
  if others then o.out(("  others %d images of train whose labels are not used"):format(others)) end
  for _, text in ipairs(look.over(run.feed)) do o.out("warning: " .. text) end
  look.outputs(run)
  for _, name in ipairs(build.sorted_names(run.models)) do
    o.out(("  model  %s: %d numbers"):format(name, run.models[name]:count()))
  end
  local batch = trial.enter(run, 1)
  o.out("  outputs  " .. shapes(run, batch))
  for k in ipairs(run.stages) do check_stage(run, k, o.out) end
  if run.feed.counts.val == 0 then
    o.out "warning: no rows to validate on: no best weights are kept, and plateau never ends a stage"
  end
  if run.feed.counts.test == 0 then o.out "warning: no rows to test on" end
end

return trial
