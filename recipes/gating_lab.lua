-- Which rule serves several tasks on one set best, and what does it cost? One network, any tasks, any rule of
-- rl.gating, any way to share the body.
-- rille run gating_lab --vary method=none,gradprom,pcgrad,mgda,famo --seeds 1..3      one table, one page
-- rille run gating_lab --set method=mgda:at=shared --set tasks="ce kl" --set sharing=mtan --data FOLDER
local rl = require "rille"
local nn, models = rl.nn, rl.models
local Up = require "rille.models.blocks".Up

local R = {}

R.options = { -- as they stand: preset desk
  size = 64, channels = 1, batch = 16,
  method = "none", -- a rule with its options, as "gradprom:mode=soft,lambda=0.1"
  main = "ce", -- of rules that take a main task
  tasks = "ce kl mse", -- diagnosis, gaze map, restoration; with lung masks also bce
  sharing = "hard", -- or stitch, mmoe, mtan
  widths = { 8, 16, 32 }, lr = 1e-3, ends = { epochs = 6 },
}

R.presets = {
  paper = { size = 224, widths = { 32, 64, 128 }, ends = { epochs = 50 } },
  tiny = { size = 32, widths = { 2, 4, 4 }, batch = 4, ends = { steps = 4 },
    data = { phantom = { train = 12, val = 6, test = 6 } } },
}

R.data = { phantom = { train = 240, val = 60, test = 120 } }

local BODIES = { hard = "HardSharing", stitch = "CrossStitch", mmoe = "MMoE", mtan = "MTAN" }
local OUTPUTS = { ce = "class", kl = "gaze", mse = "restored", bce = "mask" }
local NEED_MAIN = { gradprom = true, cosine = true, projection = true, ol_aux = true, pcd = true }

local function tasks_of(o)
  local list = {}
  for name in o.tasks:gmatch "%S+" do
    if not OUTPUTS[name] then error(('tasks: "%s" is none of ce, kl, mse, bce'):format(name), 0) end
    list[#list + 1] = name
  end
  return list
end

-- From features at a quarter of the size to a map.
local function to_map(width, out)
  return nn.Sequential(Up(width, width // 2), Up(width // 2, width // 2), nn.Conv2d(width // 2, out, 1))
end

function R.models(o)
  local width, tasks = o.widths[#o.widths], tasks_of(o)
  local body = BODIES[o.sharing] or error("sharing is one of hard, stitch, mmoe, mtan", 0)
  local made = { body = models[body] { channels = o.channels, widths = o.widths, tasks = #tasks } }
  for _, name in ipairs(tasks) do
    made[OUTPUTS[name]] = name == "ce" and nn.Linear(width, o.classes)
      or to_map(width, name == "mse" and o.channels or 1)
  end
  return made
end

-- All tasks see the image at half its resolution; the restoration is to bring back what that took.
function R.forward(m, batch, o)
  local half = rl.avg_pool2d(batch.image, { kernel_size = 2 })
  local seen = rl.interpolate(half, { scale_factor = 2, mode = "bilinear" })
  local y = { seen = seen, clean = batch.image, maps = function() return { m.body(seen) } end }
  if o.sharing == "hard" then y.shared = function(done) return done.maps[1][1] end end
  for t, name in ipairs(tasks_of(o)) do
    local output = OUTPUTS[name]
    y[output] = function(done)
      local z = done.maps[1][t]
      if name == "ce" then return m.class(z:mean { -2, -1 }) end
      return name == "mse" and seen + m.restored(z) or m[output](z)
    end
  end
  return y
end

R.losses = {
  ce = function(y, batch) return rl.cross_entropy(y.class, batch.label) end,
  kl = function(y, batch) return rl.saliency_kl(y.gaze, batch.saliency) end,
  mse = function(y, batch) return rl.mse_loss(y.restored, batch.image) end,
  bce = function(y, batch) return rl.binary_cross_entropy_with_logits(y.mask, batch.mask) end,
}

local function watched(o)
  local kinds, out = { ce = "classify", kl = "saliency", bce = "segment" }, {}
  for _, name in ipairs(tasks_of(o)) do
    if name == "mse" then
      out.restore = { "restored", from = "seen", truth = "clean" }
    else
      out[kinds[name]] = OUTPUTS[name]
    end
  end
  return out
end

function R.report(o) return watched(o) end

function R.stages(o)
  local gate, losses = {}, {} -- --set has read "mgda:at=shared" already, "mgda" alone is a text
  for k, v in pairs(type(o.method) == "table" and o.method or rl.gating.parse(o.method)) do gate[k] = v end
  if NEED_MAIN[gate[1]] then gate.main = gate.main or o.main end
  if gate[1] == "none" then gate.layers = true end
  for _, name in ipairs(tasks_of(o)) do losses[name] = 1 end
  return { -- name trains losses gate optimiser ends
    { "joint", "*", losses, gate, { "Adam", lr = o.lr }, o.ends, watch = watched(o) },
  }
end

return R
