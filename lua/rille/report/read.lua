-- Reads a run folder. Whatever is missing or broken is left out and, if it should have been readable, told in
-- `troubles`; nothing here raises but a folder that does not exist at all.

local json = require "rille.util.json"
local Log = require "rille.report.log"

local read = {}

---The bytes of a file.
---@param file string
---@return string? bytes nil when it cannot be read
function read.bytes(file)
  local f = io.open(file, "rb")
  if not f then return nil end
  local data = f:read("a")
  f:close()
  return data
end

-- null, which decoders give as a value of its own, is nothing in an object and NaN in a list.
local function without_null(t)
  local n = #t
  for key, v in pairs(t) do
    if type(v) == "table" then
      without_null(v)
    elseif type(v) == "userdata" then
      t[key] = math.type(key) and key <= n and 0 / 0 or nil
    end
  end
  return t
end

---Decode one JSON text.
---@param text string
---@return table? value nil when it is broken or no object or list
function read.decode(text)
  local ok, value = pcall(json.decode, text)
  return ok and type(value) == "table" and without_null(value) or nil
end

local function read_json(run, name)
  local text = read.bytes(run.dir .. "/" .. name)
  if not text then return nil end
  local value = read.decode(text)
  if not value then run.troubles[#run.troubles + 1] = name .. " cannot be read: it is no JSON object" end
  return value
end

-- Hands every good line to `take`. A broken last line is what a killed run leaves; others are counted.
local function read_lines(run, name, take)
  local f = io.open(run.dir .. "/" .. name, "rb")
  if not f then return end
  local broken, last_is_broken = 0, false
  for line in f:lines() do
    if line:find("%S") then
      local value = read.decode(line)
      last_is_broken = not value
      if value then take(value) else broken = broken + 1 end
    end
  end
  f:close()
  if last_is_broken then broken = broken - 1 end
  if broken > 0 then
    local text = "%s: %d lines cannot be read and are left out"
    run.troubles[#run.troubles + 1] = text:format(name, broken)
  end
end

---Read a run folder.
---
---Raises: "report: ..." when the folder has neither run.json nor log.jsonl nor metrics.json.
---@param dir string
---@return table run dir, info, log, journal, metrics, pictures, troubles; what is missing is {}
function read.run(dir)
  local run = { dir = dir, troubles = {}, journal = {} }
  run.info = read_json(run, "run.json")
  run.metrics = read_json(run, "metrics.json")
  local has_log = io.open(dir .. "/log.jsonl", "rb")
  if has_log then has_log:close() end
  if not (run.info or run.metrics or has_log) then
    local text = 'report: "%s" is no run folder, it has neither run.json, log.jsonl nor metrics.json; '
    error((text .. "name a run's folder"):format(dir), 3)
  end
  run.info, run.metrics = run.info or {}, run.metrics or {}
  run.pictures = read_json(run, "pictures/index.json") or {}
  local log = Log.new()
  read_lines(run, "log.jsonl", function(record) log:take(record) end)
  run.log = log:finish()
  read_lines(run, "journal.jsonl", function(record) run.journal[#run.journal + 1] = record end)
  return run
end

return read
