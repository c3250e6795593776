-- Sequential, ModuleList, ModuleDict: modules that hold modules. Positions count from 1 in Lua, names
-- from 0 in files.

local core = require "rille.core"
local fused = require "rille.nn.fused"
local Module = require "rille.nn.module"

local is_tensor, release = core.is_tensor, core.Tensor.__close

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

Sequential._children = false -- what forward knows of them, once it has run

---@param m rille.Module
---@return rille.Sequential self
function Sequential:append(m)
  add(self, "append", m)
  return self
end

local CHAINED = { conv = true, norm = true, resize = true } -- what a chain may start with

-- What forward has to know of the child in field i, looked up once: steps of a few microseconds run through
-- here. It is right while that field holds that value, which may be no module.
local function look_at(self, i)
  local m = self[self._fields[i]]
  local is_module = Module.is_module(m)
  local kind = is_module and m._fusable
  local child = { value = m, is_module = is_module, kind = kind, starts = CHAINED[kind],
    is_sequence = is_module and getmetatable(m) == Sequential, is_quiet = is_module and m.keeps_nothing }
  self._children[i] = child
  return child
end

-- Whether a module is known to keep no handle of what it takes and gives.
local function is_quiet(m)
  if m._hooks or getmetatable(m) ~= Sequential then return not m._hooks and m.keeps_nothing == true end
  for _, child in ipairs(m) do
    if not is_quiet(child) then return false end
  end
  return #m == #m._fields
end

-- Chains of convolutions, norms and activations: what each kind of child does to a value. A step may take the
-- child behind it along, and then returns true.
local chained = {}

function chained.conv(v, m, next_m, next_kind)
  local pools = next_kind == "pool" and m:is_pointwise() and next_m:shrinks()
  if pools then v = next_m(fused.value(v)) end -- a mean of products is the product of means
  return fused.conv(m, v, next_kind == "norm" and next_m or nil), pools or next_kind == "norm"
end

function chained.norm(v, m) return fused.norm(v, m) end

function chained.relu(v, m) return fused.act(v, m) end

chained.prelu = chained.relu

-- Doubling by nearest neighbours is read through by the convolution; a larger bilinear map is made of what
-- the 1x1 convolution gives of the small one: both act on different dims, and the weights' sum is 1.
function chained.resize(v, m, next_m, next_kind)
  if next_kind == "conv" and m:doubles() then return fused.up(v) end
  if next_kind == "conv" and next_m:is_pointwise() and m:enlarges() then
    return m(fused.value(fused.conv(next_m, v))), true
  end
  return m(fused.value(v))
end

-- The first child of a sequence from a field on, and the place of that field.
local function child_from(self, i)
  local key = self._fields[i]
  while key ~= nil do
    local m = rawget(self, key)
    if Module.is_module(m) then return m, i end
    i = i + 1
    key = self._fields[i]
  end
end

-- The children from field i on that make a chain, run on x: the result, and the place behind them.
local function run_chain(self, i, x)
  local v, m = x, rawget(self, self._fields[i])
  local kind = fused.kind_of(m)
  while chained[kind] do
    local next_m, at = child_from(self, i + 1)
    local next_kind, takes_next = next_m and fused.kind_of(next_m)
    v, takes_next = chained[kind](v, m, next_m, next_kind)
    if takes_next then next_m, at = child_from(self, at + 1) end
    if not next_m then return fused.value(v), #self._fields + 1 end
    m, i, kind = next_m, at, fused.kind_of(next_m) or ""
  end
  return fused.value(v), i
end

-- The child of field i as look_at has it; nil behind the last.
local function child_at(self, i)
  local key = self._fields[i]
  if key == nil then return nil end
  local child = self._children[i]
  return child and child.value == self[key] and child or look_at(self, i)
end

-- Runs children in definition order. A result that only this function has seen is let go once the next layer
-- has used it, if both layers are quiet; the graph holds its own count.
function Sequential:forward(x)
  local fresh, i = false, 1 -- fresh: x was made here, and nobody else holds its handle
  self._children = self._children or {}
  local child = child_at(self, i)
  while child do
    local m, next_child = child.value, child_at(self, i + 1)
    i = i + 1
    if child.is_module then
      local y
      local quiet = child.is_quiet and not m._hooks or child.is_sequence and is_quiet(m)
      if child.kind == "linear" and fused.kind_of(m) then
        local took_next
        y, took_next = fused.linear(m, x, next_child and next_child.is_module and next_child.value)
        if took_next then next_child, i = child_at(self, i + 1), i + 1 end
      elseif child.starts and fused.kind_of(m) then
        y, i = run_chain(self, i - 1, x)
        next_child = child_at(self, i)
      else
        y = m(x)
      end
      if rawequal(y, x) then
        fresh = fresh and quiet
      else
        if fresh and quiet then release(x) end
        fresh = quiet and is_tensor(y)
      end
      x = y
    end
    child = next_child
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
