-- rille bench: the time of one training step, by the runner's own step function, as one JSON line. Batches
-- are random numbers, made once; so decoding is not measured.
local common = require "rille.cli.common"
local core = require "rille.core"

local rl -- the library, loaded when a workload is built

local WORKLOADS = {}

-- A recipe of one stage around models, an output and a loss.
local function one_stage(models, forward, loss, optimiser)
  return { options = {}, models = models, forward = forward, losses = { loss = loss },
    stages = { { "bench", "*", { loss = 1 }, "none", optimiser or { "Adam", lr = 1e-3 }, { steps = 1 } } } }
end

local function batch_of(o, classes)
  local n, h = o.batch, o.size
  local map = rl.rand { n, 1, h, h }
  map = map / map:sum { dim = { -3, -2, -1 }, keepdim = true }
  return { image = rl.rand { n, o.channels, h, h },
    label = rl.randint({ n }, { low = 1, high = classes, dtype = "i64" }), saliency = map,
    index = rl.arange(1, n, { dtype = "i64" }), file = {} }
end

function WORKLOADS.mlp(o)
  o.batch = o.given.batch or 32
  local nn = rl.nn
  local R = one_stage(function()
    return { net = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
      nn.Linear(32, 32)) }
  end, function(m, batch) return { y = m.net(batch.x) } end, function(y) return (y.y * y.y):mean() end)
  return R, { x = rl.randn { o.batch, 32 }, file = {} }, 200
end

function WORKLOADS.conv3x3(o)
  o.batch, o.size = o.given.batch or 4, o.given.size or 128
  local R = one_stage(function() return { net = rl.nn.Conv2d(32, 32, 3, { padding = 1 }) } end,
    function(m, batch) return { y = m.net(batch.x) } end, function(y) return y.y:mean() end)
  return R, { x = rl.randn { o.batch, 32, o.size, o.size }, file = {} }, 1
end

function WORKLOADS.densenet201_train(o)
  o.batch, o.size, o.channels = o.given.batch or 8, o.given.size or 224, 3
  local R = one_stage(function() return { net = rl.models.densenet201 { classes = 3 } } end,
    function(m, batch) return { y = m.net(batch.image) } end,
    function(y, batch) return rl.cross_entropy(y.y, batch.label) end)
  return R, batch_of(o, 3), 1
end

function WORKLOADS.saliency_train(o)
  o.batch, o.size, o.channels = o.given.batch or 2, o.given.size or 256, 1
  local R = one_stage(function()
    local features = rl.models.densenet201 { classes = 3 }
    return { densenet = features, encoder = rl.models.ResSEEncoder { channels = 1 },
      decoder = rl.models.ResSEDecoder { features = features.width }, head = rl.models.SaliencyHead {} }
  end, function(m, batch)
    local f4 = m.densenet:features(batch.image)
    return { map = m.head(m.decoder(f4, m.encoder(batch.image))) }
  end, function(y, batch) return rl.saliency_kl(y.map, batch.saliency) end)
  R.stages[1][2] = "encoder. decoder. head."
  return R, batch_of(o, 3), 1
end

local NAMES = { "add", "mlp", "conv3x3", "densenet201_train", "saliency_train", "cooperative.STAGE" }

local command = { name = "bench", usage = "WORKLOAD [options]",
  words = { least = 1, most = 1, what = "a workload" },
  doc = "time a training step, as one JSON line; workloads: " .. table.concat(NAMES, ", "),
  options = { { name = "batch", value = "B", kind = "integer", lo = 1, doc = "images or rows" },
    { name = "size", value = "S", kind = "integer", lo = 8, doc = "pixels" }, common.THREADS, common.PRESET,
    common.DATA,
    { name = "steps", value = "K", kind = "integer", lo = 1, doc = "measured steps (default 10)" } } }

-- Seconds of each measured step, and the first three losses. `inner` steps count as one measurement.
local function measure(step, steps, inner)
  local times, losses = {}, {}
  for k = 1, 3 do losses[k] = step() end
  core.reset_peak()
  for k = 1, steps do
    local began = core.clock()
    for _ = 1, inner do step() end
    times[k] = (core.clock() - began) / inner
  end
  table.sort(times)
  return times, losses
end

-- The step of a recipe's stage on a batch, as the runner does it.
local function runner_step(R, batch)
  local build, step, Recipe = require "rille.run.build", require "rille.run.step", require "rille.run.recipe"
  local recipe = Recipe.resolve({ table = R, file = "bench", text = "" }, {})
  local run = { recipe = recipe, options = recipe.options, stages = recipe.stages,
    models = build.models(recipe, recipe.options, 1),
    position = { run_step = 0 }, state = { step = 0, options = recipe.options }, gate_state = {} }
  build.enter(run, recipe.stages[1])
  return function()
    local result = step.train(run, batch)
    run.state.step = run.state.step + 1
    return result.total
  end
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
  return function() return trial.step(run, batch).total end,
    { batch = run.batch_size, size = run.options.size }
end

local function add_step()
  local a, b, n = rl.randn { 16 }, rl.randn { 16 }, 10000
  local add = rl.add
  return function()
    for _ = 1, n do add(a, b) end
  end, n
end

local function unknown(name)
  local near = require "rille.util.check".nearest(name, NAMES)
  error({ usage = ('bench: there is no workload "%s"%s; there are %s'):format(name,
    near and (', did you mean "%s"?'):format(near) or "",
    table.concat(NAMES, ", ")) }, 0)
end

function command.run(o)
  rl = require "rille"
  common.threads(o)
  core.manual_seed(1)
  local name, step, inner, per, about = o[1], nil, 1, 1, { given = o }
  local recipe, stage_name = name:match("^([%w_]+)%.([%w_]+)$")
  if recipe then
    step, about = recipe_step(o, recipe, stage_name)
  elseif name == "add" then
    step, per = add_step()
  elseif WORKLOADS[name] then
    local R, batch
    R, batch, inner = WORKLOADS[name](about)
    step = runner_step(R, batch)
  else
    unknown(name)
  end
  local times, losses = measure(step, o.steps or 10, inner)
  local m = core.memory()
  print(require "rille.util.json".encode { workload = name, median_s = times[(#times + 1) // 2] / per,
    best_s = times[1] / per,
    peak_mib = m.peak / 2 ^ 20, rss_mib = m.rss_peak / 2 ^ 20, loss = #losses > 0 and losses or nil,
    batch = about.batch, size = about.size, threads = core.threads(),
    cpu = core.cpu_name() or "unknown", isa = core.isa() })
  return 0
end

return command
