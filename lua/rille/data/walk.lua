-- Every file of a folder and all below it, in the order of names; links that lead in circles are walked once.
local lfs = require "lfs"

local function walk(dir, f, seen)
  local about = lfs.attributes(dir)
  if not about or about.mode ~= "directory" then return end
  local mark = about.dev .. ":" .. about.ino
  if seen[mark] then return end
  seen[mark] = true
  local ok, iterate, state = pcall(lfs.dir, dir)
  if not ok then return end
  local names = {}
  for name in iterate, state do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = dir .. "/" .. name
    if name:find "%.%w+$" and lfs.attributes(path, "mode") == "file" then
      f(path, name)
    elseif name:sub(1, 1) ~= "." then
      walk(path, f, seen)
    end
  end
end

---@param dir string
---@param f fun(path: string, name: string) gets each file whose name has a suffix
return function(dir, f) walk(dir, f, {}) end
