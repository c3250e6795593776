-- log.jsonl: one record per line, appended. Numbers that are not finite are written as text, since JSON has
-- none. Where the disk is full, records wait in memory until it is not.
local core = require "rille.core"
local json = require "rille.util.json"

local Log = {}
Log.__index = Log

local ROOM = 8192 -- bytes that wait for each other

-- JSON has lists and names but no mixture: of { "Adam", lr = 1 } the first place is called name.
local function key_of(k, is_mixed)
  if not is_mixed or type(k) == "string" then return k end
  return k == 1 and "name" or tostring(k)
end

---@param v any
---@return any with every number finite or a text, and no table that mixes places and names
local function plain(v)
  if type(v) == "table" then
    local out, is_mixed = {}, false
    for k in pairs(v) do is_mixed = is_mixed or type(k) == "string" end
    for k, e in pairs(v) do out[key_of(k, is_mixed)] = plain(e) end
    return out
  end
  if math.type(v) == "float" and (v ~= v or math.abs(v) == math.huge) then return tostring(v) end
  if type(v) == "function" then return "function" end
  return v
end
Log.plain = plain

---Open a log for appending, cut back to `bytes` first if given: what a later checkpoint does not know is
---dropped.
---@param path string
---@param bytes? integer
---@return table
function Log.open(path, bytes)
  if bytes then
    local f = io.open(path, "ab")
    if f then f:close() end
    local ok, why = core.truncate_file(path, bytes)
    if not ok then error(why, 0) end
  end
  local file, why = io.open(path, "ab")
  if not file then error(("log: %s; choose another folder with --out"):format(why), 0) end
  file:setvbuf "no" -- what the disk does not take stays ours
  local self = setmetatable({ path = path, file = file, warned = {}, warnings = 0, waiting = {}, room = 0 },
    Log)
  self.bytes = file:seek "end"
  self.written = self.bytes
  return self
end

-- Writes what waits, as far as the disk takes it.
local function flush(self)
  local text = table.concat(self.waiting)
  if text == "" then return true end
  local ok, why = self.file:write(text)
  local now = self.file:seek "end"
  text = text:sub(now - self.written + 1)
  self.waiting, self.room, self.written = { text ~= "" and text or nil }, #text, now
  return ok ~= nil and text == "", why
end

---@param record table flat or nested, of plain values
function Log:put(record)
  local line = json.encode(plain(record)) .. "\n"
  self.waiting[#self.waiting + 1] = line
  self.room, self.bytes = self.room + #line, self.bytes + #line
  if self.room >= ROOM then flush(self) end
end

---A warning: once on the terminal, always in the log.
---@param text string
---@param step? integer
function Log:warn(text, step)
  self.warnings = self.warnings + 1
  if not self.warned[text] then
    if self.clear then self.clear() end -- the line that a terminal shows
    io.stderr:write("rille: warning: ", text, "\n")
  end
  self.warned[text] = true
  self:put { kind = "warning", text = text, step = step }
end

---Put everything so far on the disk.
---@return boolean ok, string? why false: what is missing waits for the next time
function Log:sync()
  local ok, why = flush(self)
  if ok then ok, why = core.sync_file(self.path) end
  return ok == true, not ok and ("log: %s"):format(why) or nil
end

function Log:close()
  flush(self)
  self.file:close()
end

return Log
