-- journal.jsonl: every change made by hand, in order. Each entry carries the CRC-32 of its own text joined
-- to the link before it, so that a resumed run knows whether these are the changes its checkpoint was made
-- under.
local core = require "rille.core"
local files = require "rille.util.files"
local json = require "rille.util.json"
local Log = require "rille.run.log"

local Journal = {}
Journal.__index = Journal

local function link(before, entry)
  local copy = {}
  for k, v in pairs(entry) do
    if k ~= "chain" then copy[k] = v end
  end
  return core.crc32(json.encode(copy), before)
end

---Read the entries of a journal, as far as its chain holds.
---@param path string
---@param bytes? integer read no further
---@return table[] entries, integer chain, boolean is_whole
function Journal.read(path, bytes)
  local text, entries, chain = files.read(path) or "", {}, 0
  if bytes then text = text:sub(1, bytes) end
  for line in text:gmatch "[^\n]+" do
    local ok, entry = pcall(json.decode, line)
    if not ok or type(entry) ~= "table" or link(chain, entry) ~= entry.chain then
      return entries, chain, false
    end
    chain = entry.chain
    entries[#entries + 1] = entry
  end
  return entries, chain, not bytes or bytes <= #text
end

---Open for appending. With `at` (from a checkpoint) the journal is cut back to what the checkpoint knew.
---
---Raises: "journal: ..." when it is not the journal of that checkpoint.
---@param path string
---@param at? { bytes: integer, chain: integer }
---@return table journal, table[] entries
function Journal.open(path, at)
  local entries, chain, is_whole = Journal.read(path, at and at.bytes)
  if at and (not is_whole or chain ~= at.chain) then
    error(('journal: "%s" was changed since the checkpoint; put it back, or start a new run'):format(path), 0)
  end
  local log = Log.open(path, at and at.bytes)
  return setmetatable({ log = log, chain = chain, path = path }, Journal), entries
end

---@param entry table { step, kind, ... }
function Journal:put(entry)
  entry = Log.plain(entry)
  entry = json.decode(json.encode(entry)) -- as it will be read: the link is that of the text
  entry.chain = link(self.chain, entry)
  self.chain = entry.chain
  self.log:put(entry)
  self.log:sync()
end

---What a checkpoint keeps of it.
---@return { bytes: integer, chain: integer }
function Journal:place() return { bytes = self.log.bytes, chain = self.chain } end

---Put everything so far on the disk.
---@return boolean ok, string? why
function Journal:sync() return self.log:sync() end

function Journal:close() self.log:close() end

return Journal
