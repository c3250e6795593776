-- rille verify-resume: one run without a stop, one that is stopped and resumed again and again; their weights
-- files must be the same, byte for byte.
local common = require "rille.cli.common"
local files = require "rille.util.files"

local command = { name = "verify-resume", usage = "RECIPE [options]",
  words = { least = 1, most = 1, what = "a recipe" },
  doc = "prove that a stopped and resumed run ends with the very same weights", options = {
    { name = "preset", value = "NAME", doc = "default tiny" }, common.DATA, common.SEED, common.SET,
    common.THREADS,
    { name = "out", value = "DIR", doc = "where both runs go (default runs/verify-resume)" },
    { name = "stops", value = "N", kind = "integer", lo = 1, doc = "how often to stop (default 3)" } } }

local function begin(o, dir)
  local recipe = require "rille.run.recipe".load(o[1], { preset = o.preset or "tiny", set = o.set })
  return require "rille.run.start".new(recipe,
    { dir = dir, data = o.data, seed = o.seed or 1, checkpoint_steps = 1, quiet = true })
end

local function close(run)
  run.log:close()
  run.journal:close()
  run.lock = nil
  collectgarbage()
end

-- Trains until the end or until `stop_at` steps of the run are done; then leaves as a killed process would.
local function train(run, stop_at)
  local runner, finish, reload = require "rille.run.runner", require "rille.run.finish",
    require "rille.run.reload"
  local look = reload.look
  if stop_at then
    reload.look = function(r)
      if r.position.run_step >= stop_at then error({ stopped = true }, 0) end
    end
  end
  local ok, why = pcall(runner.train, run)
  reload.look = look
  if ok then finish.run(run) end
  close(run)
  if not ok and not (type(why) == "table" and why.stopped) then error(why, 0) end
  return ok
end

function command.run(o)
  local core, start = require "rille.core", require "rille.run.start"
  common.threads(o)
  local out, stops = o.out or "runs/verify-resume", o.stops or 3
  for _, name in ipairs { "whole", "stopped" } do
    if files.kind(out .. "/" .. name) then
      error(('verify-resume: "%s/%s" is there already; remove it or give --out'):format(out, name), 0)
    end
  end
  local whole = begin(o, out .. "/whole")
  train(whole)
  local steps = whole.position.run_step
  local is_done, at = train(begin(o, out .. "/stopped"), math.max(1, steps // (stops + 1))), 1
  while not is_done do
    at = at + 1
    local run = start.resume(out .. "/stopped", { checkpoint_steps = 1, quiet = true })
    is_done = train(run, at <= stops and math.max(run.position.run_step + 1, at * steps // (stops + 1))
      or nil)
  end
  local a, b = core.crc32_file(out .. "/whole/weights.safetensors"),
    core.crc32_file(out .. "/stopped/weights.safetensors")
  local same = files.read(out .. "/whole/weights.safetensors") == files.read(out ..
    "/stopped/weights.safetensors")
  print(("%d steps, stopped %d times: weights %08x and %08x, %s"):format(steps, at - 1, a, b,
    same and "the same bytes" or "NOT the same"))
  return same and 0 or 1
end

return command
