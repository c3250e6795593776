-- A recipe for the specs of runs: two tasks on 32-pixel phantoms, two stages, seconds.
local rl = require "rille"
local nn = rl.nn

local R = {}
R.options = { size = 16, channels = 1, batch = 4, width = 4, gaze = 0.5 }
R.presets = { tiny = { width = 2 } }
R.data = { phantom = { train = 12, val = 6, test = 6 }, augment = { flip = 0.5 } }

function R.models(o)
  return {
    encoder = nn.Sequential(nn.Conv2d(o.channels, o.width, 3, { padding = 1 }), nn.BatchNorm2d(o.width),
      nn.ReLU()),
    drop = nn.Dropout(0.25),
    class = nn.Linear(o.width, o.classes),
    gaze = nn.Conv2d(o.width, 1, 1),
  }
end

-- For specs of crashes and requests: RILLE_TEST_KILL="SIGNAL STEP" sends this process a signal in that step,
-- "INT INT STEP" sends it twice; "INT val", "INT test" or "INT cache" while these images are gone over.
local signals, at = (os.getenv "RILLE_TEST_KILL" or ""):match "^(.*) (%w+)$"
local function send()
  for name in signals:gmatch "%w+" do io.popen("kill -" .. name .. " $PPID"):close() end
  signals = nil
end

function R.forward(m, batch)
  local is_many = batch.image.shape[1] > 1 -- one image is looked at before the run begins
  local place = batch.split == "train" and not batch.cursor and is_many and "cache" or batch.split
  if signals and place == at then send() end
  return {
    features = function() return m.encoder(batch.image) end,
    class = function(y) return m.class(m.drop(y.features:mean { -2, -1 })) end,
    gaze = function(y) return m.gaze(y.features) end,
  }
end

R.cache = { "features" }

R.losses = {
  ce = function(y, batch) return rl.cross_entropy(y.class, batch.label) end,
  kl = function(y, batch) return rl.saliency_kl(y.gaze, batch.saliency) end,
}

local function one(_, state)
  if signals and state.run_step + 1 == tonumber(at) then send() end
  return 1
end

local function ramp(step, state) return state.options.gaze * math.min(1, step / 4) end

R.stages = {
  { "class", "encoder. class.", { ce = one }, "none", { "Adam", lr = 1e-2 }, { epochs = 2 },
    watch = { classify = "class" } },
  { "gaze", "gaze.", { kl = one }, "none", { "Adam", lr = 1e-2 }, { steps = 2 }, augment = false },
  { "joint", "*", { ce = one, kl = ramp }, { "gradprom", main = "ce" }, { "Adam", lr = 1e-3 },
    { plateau = 1, epochs = 2 } },
}

R.report = { classify = "class", saliency = "gaze" }
return R
