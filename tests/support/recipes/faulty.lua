-- A recipe for the specs of what goes wrong: RILLE_TEST_FAULT="KIND STEP" plants a number that is not finite
-- in that step; RILLE_TEST_LIMIT="BYTES FROM TO" makes files end at so many bytes from step FROM until TO.
local rl = require "rille"
local nn = rl.nn

local R = {}
R.options = { size = 16, channels = 1, batch = 4, fault = "none", at = 0 }
R.data = { phantom = { train = 12, val = 6, test = 6 } }

-- Passes images on; while a fault is due, through an op that is wrong for them.
local Faulty = nn.Module:extend "Faulty"
local FAULTS = {
  forward = function(x) return (x - x:detach() - 1):log() end, -- log(-1)
  back = function(x) return x + (x * 0):sqrt() end, -- 0/0 in the gradient alone
  aside = function(x)
    local _ = (x.detach(x) * 0):log()
    return x
  end,
}
function Faulty.forward(_, x, kind) return kind and FAULTS[kind](x) or x end

function R.models(o)
  return { net = nn.Sequential(nn.Conv2d(o.channels, 3, 3, { padding = 1 }), nn.BatchNorm2d(3), nn.ReLU()),
    faulty = Faulty(), class = nn.Linear(3, o.classes), other = nn.Linear(3, 1) }
end

local kind, at = (os.getenv "RILLE_TEST_FAULT" or ""):match "^(%w+) (%d+)$"
local step = 0

function R.forward(m, batch, o)
  local is_due = step == (tonumber(at) or o.at) and batch.split == "train"
  local fault = kind or o.fault ~= "none" and o.fault or nil
  local z = m.faulty(m.net(batch.image), is_due and fault or nil):mean { -2, -1 }
  return { class = m.class(z), other = m.other(z) }
end

R.losses = {
  ce = function(y, batch) return rl.cross_entropy(y.class, batch.label) end,
  small = function(y) return y.other:square():mean() end,
}

local bytes, from, to = (os.getenv "RILLE_TEST_LIMIT" or ""):match "^(%d+) (%d+) (%d+)$"
local function limit(n)
  local most = n == tonumber(from) and bytes or n == tonumber(to) and "unlimited"
  if most then os.execute(("prlimit --pid $PPID --fsize=%s:unlimited"):format(most)) end
end

local function rate(n)
  if step ~= n then limit(n) end
  step = n
  return 1e-2
end

R.stages = { { "only", "*", { ce = 1, small = 0.1 }, "none", { "Adam", lr = rate }, { epochs = 2 } } }
R.report = { classify = "class" }
return R
