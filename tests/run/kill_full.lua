-- Every system call of a save meets kill -9 and each error once, and whole runs of a recipe are killed at
-- random moments of all its stages: each run then goes on, and ends with the weights file of one that never
-- stopped. Takes minutes, needs strace.
-- rille tests/run/kill_full.lua [random kills, default 50] [seed] [recipe, default cooperative]
local here = arg[0]:match "^(.*)/run/[^/]*$"
package.path = here .. "/?.lua;" .. here .. "/../?.lua;" .. package.path
_G.RILLE_ROOT = here .. "/.."
local runs = require "support.runs"
local core = require "rille.core"
local files = require "support.files"
local lfs = require "lfs"

local KILLS, SEED, RANDOM = tonumber(arg[1] or 50), tonumber(arg[2] or 1), arg[3] or "cooperative"
local CALLS = { "openat", "write", "fsync", "close", "rename", "renameat", "unlink", "ftruncate", "mkdir",
  "lseek" }
local SAVE = 6 -- the save whose calls are failed: of this step of the run, with best weights before it
local faults, done, ended = {}, 0, 0 -- ended: processes that did not survive

local function exists(path) return lfs.attributes(path) ~= nil end

-- A run of the recipe at hand: that of the specs for the calls of a save, then the one that was named.
local recipe, whole = runs.RECIPE, nil
local function line(name)
  local data = recipe == runs.RECIPE and ("--data %q"):format(runs.data()) or ""
  return ("run %q --preset tiny --out %s --checkpoint-steps 1 --quiet %s"):format(recipe, name, data)
end

-- The weights of the run that never stops; gives its seconds.
local function take_whole()
  local began = core.clock()
  local code, text = runs.program(line "whole")
  assert(code == 0, text)
  local span = core.clock() - began
  whole = files.read(runs.root() .. "/whole/weights.safetensors")
  files.remove(runs.root() .. "/whole")
  return span
end

local function check(name, what, code, text)
  done = done + 1
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

-- Where a kill fell: the stage that the log spoke of last.
local fell = setmetatable({}, { __index = function() return 0 end })
local function note_place(name)
  local ok, log = pcall(files.read, runs.root() .. "/" .. name .. "/log.jsonl")
  local place = ok and log:match '.*"stage":"([^"]*)"' or "the start"
  fell[place] = fell[place] + 1
end

local function kill_at_random()
  math.randomseed(SEED)
  recipe = RANDOM
  local span = take_whole()
  for k = 1, KILLS do
    local name, times = "random" .. k, {}
    for n = 1, 2 do -- killed, and killed again when it goes on
      times[n] = ("%.3f"):format(math.random() * span)
      local is_begun = n == 2 and exists(runs.root() .. "/" .. name .. "/run.json")
      local again = "run --quiet --checkpoint-steps 1 --resume " .. name
      local code = runs.program(is_begun and again or line(name), "timeout -s KILL " .. times[n])
      if code ~= 0 then note_place(name) end
    end
    local code, text = finish(name)
    check(name, "killed after " .. table.concat(times, " and ") .. " s", code, text)
  end
end

take_whole()
local calls = calls_of_save()
inject(calls, "signal=KILL")
for _, error in ipairs { "EIO", "ENOSPC", "EINTR" } do inject(calls, "error=" .. error) end
local injected = done
kill_at_random()
runs.clean()
print(("%d system calls of a save, killed or failed %d times (%d processes ended); %d runs of %s killed "
  .. "at random: %d faults"):format(#calls, injected, ended, done - injected, RANDOM, #faults))
for place, n in pairs(fell) do print(("  killed in %s: %d"):format(place, n)) end
for _, text in ipairs(faults) do print(text) end
os.exit(#faults == 0 and 0 or 1)
