-- Sequential, ModuleList, ModuleDict: modules that hold modules. Positions count from 1 in Lua, names
-- from 0 in files.

local core = require "rille.core"
local fused = require "rille.nn.fused"
local Module = require "rille.nn.module"

local is_tensor, release, kind_of = core.is_tensor, core.Tensor.__close, fused.kind_of

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

local STARTS = { conv = true, norm = true, resize = true } -- what a chain may begin with

local function look_at(self)
  local known = { values = {} }
  for i, key in ipairs(self._fields) do
    local m = self[key]
    known.values[i] = m
    if Module.is_module(m) then
      known[#known + 1] = { module = m, is_linear = m._fusable == "linear", starts = STARTS[m._fusable],
        is_sequence = getmetatable(m) == Sequential, is_quiet = m.keeps_nothing == true }
    end
  end
  self._children = known
  return known
end

-- The children in definition order, with what forward has to know of them: looked up once for as long as the
-- fields hold the same values, since steps of a few microseconds run through here.
local function children_of(self)
  local fields, known = self._fields, self._children
  if not known then return look_at(self) end
  local values = known.values
  for i = 1, #fields do
    if values[i] ~= self[fields[i]] then return look_at(self) end
  end
  return known
end

-- Whether a child is known to keep no handle of what it takes and gives.
local function is_quiet(child)
  local m = child.module
  if m._hooks or not child.is_sequence then return child.is_quiet and not m._hooks end
  for _, below in ipairs(children_of(m)) do
    if not is_quiet(below) then return false end
  end
  return true
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

-- The children from number i on that make a chain, run on x: the result, and the number behind them.
local function run_chain(children, i, x)
  local v, m = x, children[i].module
  local kind = kind_of(m)
  while chained[kind] do
    i = i + 1
    local next_m = children[i] and children[i].module
    local next_kind, takes_next = next_m and kind_of(next_m)
    v, takes_next = chained[kind](v, m, next_m, next_kind)
    if takes_next then
      i = i + 1
      next_m = children[i] and children[i].module
    end
    if not next_m then break end
    m, kind = next_m, kind_of(next_m) or ""
  end
  return fused.value(v), i
end

-- Runs children in definition order. A result that only this function has seen is let go once the next layer
-- has used it, if both layers are quiet; the graph holds its own count.
function Sequential:forward(x)
  local children, fresh, i = children_of(self), false, 1 -- fresh: x was made here, nobody else has its handle
  local child = children[1]
  while child do
    local m, is_made, y = child.module, false -- is_made: y is a tensor, and not x
    local quiet = child.is_quiet and not m._hooks or child.is_sequence and is_quiet(child)
    i = i + 1
    if child.is_linear and kind_of(m) then
      local next_child, took_next = children[i]
      y, took_next = fused.linear(m, x, next_child and next_child.module)
      if took_next then i = i + 1 end
      is_made = true
    elseif child.starts and kind_of(m) then
      y, i = run_chain(children, i - 1, x)
    else
      y = m(x)
    end
    if not is_made and rawequal(y, x) then
      fresh = fresh and quiet
    else
      if fresh and quiet then release(x) end
      fresh = quiet and (is_made or is_tensor(y))
    end
    x, child = y, children[i]
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
