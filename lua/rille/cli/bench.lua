-- rille bench: the time of one step, by the runner's own step function, as one JSON line. Batches are random
-- numbers, made once; so decoding is not measured.
local common = require "rille.cli.common"
local core = require "rille.core"

local NAMES = { "densenet201_train", "saliency_train", "gradprom", "kltv", "mlvicx", "mlvicx_straight",
  "mlvicx_4096", "resnet18_train", "conv3x3",
  "densenet201_infer", "mlp", "add", "kernels", "cooperative.STAGE" }

local command = { name = "bench", usage = "WORKLOAD [options]",
  words = { least = 1, most = 1, what = "a workload" },
  doc = "time one step, as one JSON line, or kernels beside the CPU's peaks; workloads: " ..
    table.concat(NAMES, ", "),
  options = { { name = "batch", value = "B", kind = "integer", lo = 1, doc = "images or rows" },
    { name = "size", value = "S", kind = "integer", lo = 8, doc = "pixels" }, common.THREADS, common.PRESET,
    common.DATA,
    { name = "steps", value = "K", kind = "integer", lo = 1, doc = "measured steps (default 10)" },
    { name = "profile", doc = "then a table of one more step's time by op and by layer" },
    { name = "json", doc = "kernels: JSON lines instead of a table" },
    { name = "only", value = "TEXT", doc = "kernels: families with TEXT in their name" } } }

-- Seconds of each measured step, and the first three losses. `inner` steps count as one measurement.
local function measure(w, count)
  local loss, inner, step = require "rille.cli.bench.steps".loss, w.inner or 1, w.step
  local times, losses = {}, {}
  for k = 1, 3 do losses[k] = loss(step()) end
  core.reset_peak()
  for k = 1, count do
    local began = core.clock()
    for _ = 1, inner do step() end
    times[k] = (core.clock() - began) / inner
  end
  table.sort(times)
  return times, #losses > 0 and losses or nil
end

-- The language's share of an op: seconds of a call that only makes a handle, with its collection.
local function floor()
  local make, best = core.bare_handle, math.huge
  for _ = 1, 5 do
    local began = core.clock()
    for _ = 1, 100000 do make() end
    best = math.min(best, (core.clock() - began) / 100000)
  end
  return best
end

local function recipe_step(o, name, stage_name)
  local trial, Recipe = require "rille.run.trial", require "rille.run.recipe"
  local stage, set = require "rille.run.stage", {}
  if o.batch then set[1] = ("batch=%d"):format(o.batch) end
  if o.size then set[#set + 1] = ("size=%d"):format(o.size) end
  local recipe = Recipe.load(name, { preset = o.preset, set = set })
  local run = trial.open(recipe, { data = o.data, seed = 1, quiet = true })
  local _, k = stage.find(run.stages, stage_name)
  if not k then error(('bench: %s has no stage "%s"'):format(name, stage_name), 0) end
  local batch = trial.enter(run, k)
  return { step = function() return trial.step(run, batch).total end },
    { batch = run.batch_size, size = run.options.size }
end

local function unknown(name)
  local near = require "rille.util.check".nearest(name, NAMES)
  error({ usage = ('bench: there is no workload "%s"%s; there are %s'):format(name,
    near and (', did you mean "%s"?'):format(near) or "",
    table.concat(NAMES, ", ")) }, 0)
end

function command.run(o)
  local workloads = require "rille.cli.bench.workloads"
  common.threads(o)
  core.manual_seed(1)
  if o[1] == "kernels" then return require "rille.cli.bench.kernels"(o) end
  local name, about, w = o[1], { batch = o.batch, size = o.size }, nil
  local recipe, stage_name = name:match("^([%w_]+)%.([%w_]+)$")
  if recipe then
    w, about = recipe_step(o, recipe, stage_name)
  elseif workloads[name] then
    w = require "rille.cli.bench.steps".prepare(workloads[name](about))
  else
    unknown(name)
  end
  local times, losses = measure(w, o.steps or 10)
  local m = core.memory()
  print(require "rille.util.json".encode { workload = name, median_s = times[(#times + 1) // 2],
    best_s = times[1], peak_mib = m.peak / 2 ^ 20, rss_mib = m.rss_peak / 2 ^ 20, loss = losses,
    batch = about.batch, size = about.size, threads = core.threads(),
    cpu = core.cpu_name() or "unknown", isa = core.isa(), floor_s = name == "add" and floor() or nil })
  if o.profile then
    local p = require "rille.profile"(w.step)
    print(p:text "op" .. "\n\n" .. p:text "layer")
  end
  return 0
end

return command
