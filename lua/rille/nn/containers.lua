-- Sequential, ModuleList, ModuleDict: modules that hold modules. Positions count from 1 in Lua, names
-- from 0 in files.

local core = require "rille.core"
local Module = require "rille.nn.module"

local function add(self, who, ...)
  for i = 1, select("#", ...) do
    local m = select(i, ...)
    if not Module.is_module(m) then
      error(("%s: argument %d is %s, not a Module"):format(who, i, tostring(m)), 4)
    end
    self[#self + 1] = m
  end
end

---Modules one after another: each takes what the one before it gave. seq[1] is the first, called
---"0" in files.
---@class rille.Sequential: rille.Module
local Sequential = Module:extend("Sequential")

function Sequential:init(...) add(self, "Sequential", ...) end

---@param m rille.Module
---@return rille.Sequential self
function Sequential:append(m)
  add(self, "append", m)
  return self
end

-- Whether a module is known to keep no handle of what it takes and gives.
local function is_quiet(m)
  if rawget(m, "_hooks") then return false end
  if getmetatable(m) ~= Sequential then return m.keeps_nothing end
  for _, child in ipairs(m) do
    if not is_quiet(child) then return false end
  end
  return #m == #m._fields
end

-- Runs children in definition order. A result that only this function has seen is let go once the next layer
-- has used it, if both layers are quiet; the graph holds its own count.
function Sequential:forward(x)
  local fresh = false -- x was made here, and nobody else can hold its handle
  for _, key in ipairs(self._fields) do
    local m = rawget(self, key)
    if Module.is_module(m) then
      local y, quiet = m(x), is_quiet(m)
      if rawequal(y, x) then
        fresh = fresh and quiet
      else
        if fresh and quiet then x:release() end
        fresh = quiet and core.is_tensor(y)
      end
      x = y
    end
  end
  return x
end

---A list of modules to be called by one's own forward: list[1] is called "0" in files; #list, ipairs(list).
---@class rille.ModuleList: rille.Module
local ModuleList = Module:extend("ModuleList")

---@param list? rille.Module[]
function ModuleList:init(list)
  if Module.is_module(list) then error("ModuleList: takes a list of modules, { m1, m2 }", 3) end
  add(self, "ModuleList", table.unpack(list or {}))
end

---@param m rille.Module
---@return rille.ModuleList self
function ModuleList:append(m)
  add(self, "append", m)
  return self
end

---Modules by name, in alphabetical order: what a recipe's models are put into, so that paths begin with
---their names.
---@class rille.ModuleDict: rille.Module
local ModuleDict = Module:extend("ModuleDict")

---@param models table<string, rille.Module>
function ModuleDict:init(models)
  local names = {}
  for name in pairs(models or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if rawget(Module, name) ~= nil then
      error(('ModuleDict: "%s" is the name of a method; choose another'):format(name), 3)
    end
    self:add_module(name, models[name])
  end
end

return { Sequential = Sequential, ModuleList = ModuleList, ModuleDict = ModuleDict }
