-- The rille side of beside.py: rille serve.lua WORKLOAD FOLDER [BATCH [SIZE [THREADS]]] makes the workload of
-- rille bench ready, writes its weights and its batch to the folder, and answers lines of stdin, one line of
-- JSON each:
--   step N   seconds of one of N steps, and the loss of the last
--   peak     GF/s of products during 5 ms
--   end      peak resident memory of this process
local core = require "rille.core"
local encode = require "rille.util.json".encode
local rl = require "rille"
local steps = require "rille.cli.bench.steps"

local name, folder = arg[1], arg[2]
local o = { batch = tonumber(arg[3]), size = tonumber(arg[4]) }
if tonumber(arg[5]) then core.threads(tonumber(arg[5])) end
core.manual_seed(1)
local w = steps.prepare(require "rille.cli.bench.workloads"[name](o))

local weights = {}
for model, m in pairs(w.models or {}) do
  for path, t in pairs(m:state_dict()) do weights[model .. "." .. path] = t:detach() end
end
local batch = {}
for key, t in pairs(w.batch) do batch[key] = t end
if next(weights) then assert(rl.io.save(folder .. "/weights.safetensors", weights)) end
assert(rl.io.save(folder .. "/batch.safetensors", batch))

local side = 512
local a, b = rl.rand { side, side }, rl.rand { side, side }

local function peak()
  local began, n = core.clock(), 0
  repeat
    rl.matmul(a, b)
    n = n + 1
  until core.clock() - began > 5e-3
  return { gflops = 2 * side ^ 3 * n / (core.clock() - began) / 1e9 }
end

local function step(n)
  local began, l = core.clock(), nil
  for _ = 1, n do l = w.step() end
  return { seconds = (core.clock() - began) / n, loss = steps.loss(l) }
end

local answers = {
  peak = peak,
  step = function(n) return step(math.tointeger(n)) end,
  ["end"] = function() return { rss_mib = core.memory().rss_peak / 2 ^ 20 } end,
}

local function say(t)
  io.write(encode(t), "\n")
  io.flush()
end

say { cpu = core.cpu_name() or "unknown", isa = core.isa(), threads = core.threads(), batch = o.batch,
  size = o.size, inner = w.inner or 1 }
for line in io.lines() do
  local word, n = line:match("^(%a+) ?(%d*)$")
  say(answers[word](tonumber(n)))
  if word == "end" then break end
end
