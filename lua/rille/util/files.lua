-- Files and folders as runs need them. What fails raises "op: "file": why; cure".
local core = require "rille.core"
local lfs = require "lfs"

local files = {}

---@param path string
---@return string? "file", "directory" ...; nil when there is nothing
function files.kind(path) return (lfs.attributes(path, "mode")) end

---The bytes of a file.
---@param path string
---@return string? bytes, string? why
function files.read(path)
  local f, why = io.open(path, "rb")
  if not f then return nil, why end
  local text = f:read("a")
  f:close()
  if not text then return nil, path .. ": is no file that can be read" end
  return text
end

---Write a file so that either the old or the whole new one is there, whatever happens.
---@param path string
---@param text string
function files.write(path, text)
  local ok, why = core.write_file(path, text)
  if not ok then error(why .. "; free space or choose another folder with --out", 0) end
end

---Make a folder and those above it.
---@param path string
function files.make_folder(path)
  local at = path:sub(1, 1) == "/" and "/" or ""
  for part in path:gmatch("[^/]+") do
    at = at .. part
    if files.kind(at) ~= "directory" then
      local ok, why = lfs.mkdir(at)
      if not ok and files.kind(at) ~= "directory" then
        error(('folder "%s" cannot be made: %s; choose another with --out'):format(at, why), 0)
      end
    end
    at = at .. "/"
  end
end

---The names in a folder, sorted, without those that begin with a dot.
---@param path string
---@return string[] empty when there is no such folder
function files.list(path)
  local out = {}
  if files.kind(path) ~= "directory" then return out end
  for name in lfs.dir(path) do
    if name:sub(1, 1) ~= "." then out[#out + 1] = name end
  end
  table.sort(out)
  return out
end

---The folder of a path: "a/b" of "a/b/c", "." of "c".
---@param path string
---@return string
function files.folder(path) return path:match("^(.*)/[^/]*$") or "." end

---What changes when a file's contents do: its time and size.
---@param path string
---@return string? stamp
function files.stamp(path)
  local a = lfs.attributes(path)
  return a and ("%d:%d:%d"):format(a.modification, a.size, a.ino) or nil
end

---A folder for what can be made again: $XDG_CACHE_HOME/rille, else ~/.cache/rille, else .rille-cache.
---@return string
function files.cache_folder()
  local set, home = os.getenv "XDG_CACHE_HOME", os.getenv "HOME"
  if set and set ~= "" then return set .. "/rille" end
  if home and home ~= "" then return home .. "/.cache/rille" end
  return ".rille-cache"
end

return files
