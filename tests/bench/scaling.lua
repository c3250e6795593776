-- How the time of a training step grows with batch, image side and threads, as one picture:
-- build/rille tests/bench/scaling.lua build/rille scaling.svg [WORKLOAD]
local rl = require "rille"
local json = require "rille.util.json"

local PROGRAM, FILE, WORKLOAD = arg[1], arg[2], arg[3] or "resnet18_train"
local BATCHES, SIDES, SIDE, BATCH = { 1, 2, 4, 8, 16, 32 }, { 64, 128, 256, 512 }, 224, 4

-- Seconds of a step, the best of five: other programs only add.
local function seconds(batch, side, threads)
  local line = ("%s bench %s --batch %d --size %d --threads %d --steps 5"):format(PROGRAM, WORKLOAD, batch,
    side, threads)
  local p <close> = assert(io.popen(line))
  local answer = p:read "l"
  local t = assert(answer and json.decode(answer), "no line from " .. PROGRAM).best_s
  print(("%2d images of %3d px, %d threads: %.1f ms"):format(batch, side, threads, 1000 * t))
  return t
end

local series = {}
for threads = 1, 2 do
  local by_batch = { name = ("batch 1 to 32 at %d px, %d threads"):format(SIDE, threads), x = {}, y = {} }
  for k, batch in ipairs(BATCHES) do
    by_batch.x[k], by_batch.y[k] = batch * SIDE ^ 2 / 1e6, seconds(batch, SIDE, threads)
  end
  local by_side = { name = ("side 64 to 512, batch %d, %d threads"):format(BATCH, threads), x = {}, y = {} }
  for k, side in ipairs(SIDES) do
    by_side.x[k], by_side.y[k] = BATCH * side ^ 2 / 1e6, seconds(BATCH, side, threads)
  end
  series[#series + 1], series[#series + 2] = by_batch, by_side
end

rl.plot.save(FILE, rl.plot.line { series = series, xlog = true, ylog = true, markers = true,
  width = 760, height = 460,
  xlabel = "megapixels per step", ylabel = "seconds per step",
  title = WORKLOAD .. " on " .. (require "rille.core".cpu_name() or "this CPU") })
