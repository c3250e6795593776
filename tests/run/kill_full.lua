-- Every system call of a save meets kill -9 and each error once, and whole runs are killed at random moments:
-- each run then goes on, and ends with the weights file of one that never stopped. Takes minutes, needs
-- strace. rille tests/run/kill_full.lua [random kills, default 50] [seed]
local here = arg[0]:match "^(.*)/run/[^/]*$"
package.path = here .. "/?.lua;" .. here .. "/../?.lua;" .. package.path
_G.RILLE_ROOT = here .. "/.."
local runs = require "support.runs"
local core = require "rille.core"
local files = require "support.files"
local lfs = require "lfs"

local KILLS, SEED = tonumber(arg[1] or 50), tonumber(arg[2] or 1)
local CALLS = { "openat", "write", "fsync", "close", "rename", "renameat", "unlink", "ftruncate", "mkdir",
  "lseek" }
local SAVE = 6 -- the save whose calls are failed: of this step of the run, with best weights before it
local faults, done, ended = {}, 0, 0 -- ended: processes that did not survive

local function exists(path) return lfs.attributes(path) ~= nil end

local function line(name)
  return ("run %q --preset tiny --data %q --out %s --checkpoint-steps 1 --quiet"):format(runs.RECIPE,
    runs.data(), name)
end

local function check(name, what, code, text)
  done = done + 1
  local whole = files.read(runs.root() .. "/whole/weights.safetensors")
  local ok, own = pcall(files.read, runs.root() .. "/" .. name .. "/weights.safetensors")
  if not ok or own ~= whole then faults[#faults + 1] = ("%s: exit %d: %s"):format(what, code, text) end
  files.remove(runs.root() .. "/" .. name)
end

-- Goes on until the run is over; a run that was killed before its run.json begins anew.
local function finish(name)
  local code, text
  for _ = 1, 3 do
    local is_begun = exists(runs.root() .. "/" .. name .. "/run.json")
    code, text = runs.program(is_begun and "run --quiet --resume " .. name or line(name))
    if code == 0 then break end
  end
  return code, text
end

-- The calls of the save of step SAVE, as { name, which of its kind in the main thread }.
local function calls_of_save()
  local trace = runs.root() .. "/trace"
  local tool = ("strace -o %q -e trace=%s"):format(trace, table.concat(CALLS, ","))
  local code = runs.program(line "traced", tool)
  assert(code == 0, "strace does not run here")
  local count, out, is_inside = {}, {}, false
  for text in files.read(trace):gmatch "[^\n]+" do
    local name = text:match "^([%l%d]+)%("
    if name then
      count[name] = (count[name] or 0) + 1
      local number = tonumber(text:match "state%-0*(%d+)")
      if number then is_inside = number == SAVE end
      if is_inside then out[#out + 1] = { name = name, at = count[name] } end
    end
  end
  return out
end

local function inject(calls, how)
  for k, call in ipairs(calls) do
    local name, what = ("call%d"):format(k), ("%s at %s %d"):format(how, call.name, call.at)
    local tool = ("strace -o /dev/null -e trace=%s -e inject=%s:%s:when=%d"):format(call.name, call.name, how,
      call.at)
    local code, text = runs.program(line(name), tool)
    if code ~= 0 then
      ended = ended + 1
      code, text = finish(name)
    end
    check(name, what, code, text)
  end
end

local function kill_at_random()
  math.randomseed(SEED)
  local began = core.clock()
  runs.program(line "timed")
  local span = core.clock() - began
  for k = 1, KILLS do
    local name, times = "random" .. k, {}
    for n = 1, 2 do -- killed, and killed again when it goes on
      times[n] = ("%.3f"):format(math.random() * span)
      local is_begun = n == 2 and exists(runs.root() .. "/" .. name .. "/run.json")
      runs.program(is_begun and "run --quiet --checkpoint-steps 1 --resume " .. name or line(name),
        "timeout -s KILL " .. times[n])
    end
    local code, text = finish(name)
    check(name, "killed after " .. table.concat(times, " and ") .. " s", code, text)
  end
end

assert(runs.program(line "whole") == 0)
local calls = calls_of_save()
inject(calls, "signal=KILL")
for _, error in ipairs { "EIO", "ENOSPC", "EINTR" } do inject(calls, "error=" .. error) end
local injected = done
kill_at_random()
runs.clean()
print(("%d system calls of a save, killed or failed %d times (%d processes ended); %d runs killed at random: "
  .. "%d faults"):format(#calls, injected, ended, done - injected, #faults))
for _, text in ipairs(faults) do print(text) end
os.exit(#faults == 0 and 0 or 1)
