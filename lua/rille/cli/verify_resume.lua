-- rille verify-resume: a run that is killed and resumed must end with the weights file of one that never
-- stopped, byte for byte. Every step of the run is a trial of its own, in processes of its own, killed by the
-- kernel; loader threads, compute threads and the moment of the kill rotate from step to step.
local common = require "rille.cli.common"
local files = require "rille.util.files"
local lfs = require "lfs"

local LOADERS, COMPUTES, KILLS = { 0, 1, 3 }, { 1, 2 }, { "before", "in", "after" }

local command = { name = "verify-resume", usage = "RECIPE [options]",
  words = { least = 1, most = 1, what = "a recipe" },
  doc = "prove that a killed and resumed run ends with the very same weights", options = {
    { name = "preset", value = "NAME", doc = "default tiny" }, common.DATA, common.SEED, common.SET,
    { name = "full", doc = "at every step all 18 combinations instead of the next one" },
    { name = "out", value = "DIR", doc = "where the runs go (default runs/verify-resume)" },
    { name = "child", value = "STEP:KILL", doc = "used by the command itself: train, and be killed there" },
    { name = "loader", value = "N", kind = "integer", lo = 0, doc = "used by the command itself" },
    common.THREADS } }

-- ---- in a child

local function kill_self() os.execute "kill -9 $PPID" end

-- The save of step `at` meets its end: before it begins, when half of the file is written (the kernel ends a
-- process that writes past its limit), or when it is done.
local function arm(at, kill)
  local checkpoint = require "rille.run.checkpoint"
  local save, size = checkpoint.save, 0
  checkpoint.save = function(keeper, tensors, state, ...)
    local is_here = state.run_step == at
    if is_here and kill == "before" then kill_self() end
    if is_here and kill == "in" then
      for _, t in pairs(tensors) do size = size + t:numel() * 4 end
      os.execute(("prlimit --pid $PPID --fsize=%d"):format(size // 2 + 1))
    end
    local saved = save(keeper, tensors, state, ...)
    if is_here and kill == "after" then kill_self() end
    return saved
  end
end

local function train(o)
  local start, dir = require "rille.run.start", o.out
  local at, kill = o.child:match "^(%d+):(%a+)$"
  common.threads(o)
  local set = { table.unpack(o.set or {}) }
  if o.loader then set[#set + 1] = "data.threads=" .. o.loader end
  local run
  if files.kind(dir .. "/run.json") then
    run = start.resume(dir, { checkpoint_steps = 1, quiet = true })
  else
    local recipe = require "rille.run.recipe".load(o[1], { preset = o.preset or "tiny", set = set })
    run = start.new(recipe,
      { dir = dir, data = o.data, seed = o.seed or 1, checkpoint_steps = 1, quiet = true })
  end
  if at then arm(math.tointeger(tonumber(at)), kill) end
  require "rille.run.runner".train(run)
  local checkpoint = require "rille.run.checkpoint"
  assert(checkpoint.save_weights(dir .. "/weights.safetensors", run.models))
  files.write(dir .. "/steps", tostring(run.position.run_step))
  return 0
end

-- ---- the parent

local function quoted(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

-- Runs a child; returns its exit code (137 after kill -9, 153 after the limit) and what it said.
local function child(o, dir, at, loader, threads)
  local words = { quoted(lfs.symlinkattributes("/proc/self/exe", "target")), "verify-resume", quoted(o[1]),
    "--out", quoted(dir), "--child", at, "--loader", loader, "--threads", threads }
  for _, name in ipairs { "preset", "data", "seed" } do
    if o[name] then table.move({ "--" .. name, quoted(o[name]) }, 1, 2, #words + 1, words) end
  end
  for _, set in ipairs(o.set or {}) do table.move({ "--set", quoted(set) }, 1, 2, #words + 1, words) end
  local p <close> = assert(io.popen("{ " .. table.concat(words, " ") .. "; } 2>&1; echo \"code $?\""))
  local said, code = p:read "a":match "^(.*)code (%d+)\n$"
  return math.tointeger(tonumber(code)), said
end

local function remove(dir)
  if files.kind(dir) ~= "directory" then return end
  for name in lfs.dir(dir) do
    if name ~= "." and name ~= ".." then
      local path = dir .. "/" .. name
      if files.kind(path) == "directory" then remove(path) else os.remove(path) end
    end
  end
  lfs.rmdir(dir)
end

-- One trial: killed at a step, resumed to the end. Returns the weights' bytes, or nil and what went wrong.
local function trial(o, dir, step, way)
  remove(dir)
  local code, said = child(o, dir, step .. ":" .. way.kill, way.loader, way.threads)
  if code < 128 then return nil, ("the process was not killed: %s"):format(said) end
  code, said = child(o, dir, "end", way.loader, way.threads)
  if code ~= 0 then return nil, said end
  return files.read(dir .. "/weights.safetensors")
end

local function ways()
  local out = {}
  for k = 0, 17 do -- each combination once; neighbours differ in all three
    out[k + 1] = { loader = LOADERS[k % 3 + 1], threads = COMPUTES[k % 2 + 1],
      kill = KILLS[(k + k // 6) % 3 + 1] }
  end
  return out
end

local function crc(path) return ("%08x"):format((require "rille.core".crc32_file(path))) end

function command.run(o)
  if o.child then return train(o) end
  local out = o.out or "runs/verify-resume"
  if files.kind(out) then
    error(('verify-resume: "%s" is there already; remove it or give --out'):format(out), 0)
  end
  files.make_folder(out)
  local code, said = child(o, out .. "/whole", "end", 3, 2)
  if code ~= 0 then error("verify-resume: the run without a stop failed: " .. said, 0) end
  local whole = files.read(out .. "/whole/weights.safetensors")
  local steps, all, bad, n = tonumber(files.read(out .. "/whole/steps")), ways(), 0, 0
  print(("%d steps without a stop: weights %s"):format(steps, crc(out .. "/whole/weights.safetensors")))
  print "  step  loader threads  compute threads  killed         weights"
  for step = 1, steps do
    for k = 1, o.full and #all or 1 do
      local way = all[o.full and k or (step - 1) % #all + 1]
      local dir = out .. "/killed"
      local bytes, why = trial(o, dir, step, way)
      n = n + 1
      if bytes ~= whole then bad = bad + 1 end
      print(("  %4d  %14d  %15d  %-6s a save  %s"):format(step, way.loader, way.threads, way.kill,
        bytes == whole and crc(dir .. "/weights.safetensors") .. "  the same"
          or bytes and crc(dir .. "/weights.safetensors") .. "  NOT the same" or "failed: " .. why))
    end
  end
  remove(out)
  print(("%d of %d killed runs ended with the same bytes"):format(n - bad, n))
  return bad == 0 and 0 or 1
end

return command
