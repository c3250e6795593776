-- Module: what layers and models are made of. Fields hold parameters, buffers, children and plain values; a
-- field is known by the order of its first assignment, so names come out as the model was written.

local core = require "rille.core"
local check = require "rille.util.check"
local class = require "rille.util.class"

---@class rille.Module
---@field training boolean
local Module = class.new("Module")

function Module:prepare()
  rawset(self, "_fields", {}) -- keys in the order of their first assignment
  rawset(self, "_kind", {}) -- key -> "parameter" or "buffer"; the rest is seen by its type
  rawset(self, "training", true)
  rawset(self, "_hooks", false) -- or a list of functions
  rawset(self, "_fusable", rawget(getmetatable(self), "fusable") or false) -- see nn/fused.lua
end

---Make a class below: `local Net = nn.Module:extend("Net")`, then `function Net:init(...)` and
---`function Net:forward(x)`.
---@param name string
---@return table C
function Module:extend(name)
  local C = class.new(name, self)
  return C
end

-- a mark: a second copy of this file, as test runners make, knows the first one's objects
Module.is_rille_module = true
Module._segment = "" -- of a module that has none of its own

local enter = core.enter

local function is_module(v) return type(v) == "table" and v.is_rille_module == true end

local function is_leaf_with_gradient(v) return core.is_tensor(v) and v.requires_grad and v.is_leaf end

-- The name of a field in state dicts: entries of a list count from 0 there, as in the files.
local function name_of(key) return math.type(key) == "integer" and tostring(key - 1) or key end

---Assigning a tensor with requires_grad makes a parameter, a Module makes a child, anything else is a plain
---field. Later assignments to the same field replace it in place; nil removes it. Give each field a line of
---its own: in `self.a, self.b = ...` Lua assigns b first, and the order of definition is that of assignment.
function Module:__newindex(key, value)
  if type(key) == "string" and key:sub(1, 1) ~= "_" or math.type(key) == "integer" then
    if not self._fields then
      error("Module: make objects by calling the class, and do not replace prepare", 2)
    end
    local known = false
    for _, k in ipairs(self._fields) do known = known or k == key end
    if not known then self._fields[#self._fields + 1] = key end
    if key == "forward" then rawset(self, "_fusable", false) end
    if is_module(value) then
      rawset(value, "_segment", name_of(key))
    elseif is_leaf_with_gradient(value) then
      self._kind[key] = "parameter"
    end
  end
  rawset(self, key, value)
end

---Keep a tensor that is saved with the model but not trained, as running means are.
---@param name string
---@param t rille.Tensor
function Module:register_buffer(name, t)
  self._kind[name] = "buffer"
  self[name] = t
end

---Keep a tensor as a parameter; nil declares that the layer has none of that name (a convolution
---without bias).
---@param name string
---@param t? rille.Tensor
function Module:register_parameter(name, t)
  if t == nil then return end
  if not t.requires_grad then t.requires_grad = true end
  self[name] = t
end

---@param name string
---@param child rille.Module
function Module:add_module(name, child)
  if not is_module(child) then error(("add_module: %s is no Module"):format(tostring(child)), 2) end
  self[name] = child
end

-- The kind of a field as it is now: "parameter", "buffer", "child" or nil.
local function kind_of(self, key)
  local value = rawget(self, key)
  if type(value) == "table" then
    if not is_module(value) then return nil end
    if rawget(value, "_segment") == nil then rawset(value, "_segment", name_of(key)) end
    return "child"
  end
  if not core.is_tensor(value) then return nil end
  if self._kind[key] == nil and is_leaf_with_gradient(value) then self._kind[key] = "parameter" end
  return self._kind[key]
end

---The children as a list of { name, module }, in definition order.
---@return { name: string, module: rille.Module }[]
function Module:named_children()
  local list = {}
  for _, key in ipairs(self._fields) do
    if kind_of(self, key) == "child" then
      list[#list + 1] = { name = name_of(key), module = rawget(self, key) }
    end
  end
  return list
end

local function collect_modules(module, path, seen, list)
  if seen[module] then return list end
  seen[module] = true
  list[#list + 1] = { name = path, module = module }
  for _, child in ipairs(module:named_children()) do
    collect_modules(child.module, path == "" and child.name or path .. "." .. child.name, seen, list)
  end
  return list
end

---This module and all below it, each once, as a list of { name, module }; the first name is "".
---@return { name: string, module: rille.Module }[]
function Module:named_modules() return collect_modules(self, "", {}, {}) end

-- Every parameter and buffer under every name it has, in definition order: f(name, tensor, kind, owner, key).
local function each_state(module, path, f)
  for _, key in ipairs(module._fields) do
    local kind, name = kind_of(module, key), path .. name_of(key)
    if kind == "child" then
      each_state(rawget(module, key), name .. ".", f)
    elseif kind then
      f(name, rawget(module, key), kind, module, key)
    end
  end
end

---Parameters and buffers as a list of { name, tensor, kind }, in definition order; a shared one appears
---under each name.
---@return { name: string, tensor: rille.Tensor, kind: string }[]
function Module:named_state()
  local list = {}
  each_state(self, "", function(name, t, kind) list[#list + 1] = { name = name, tensor = t, kind = kind } end)
  return list
end

---Parameters as a list of { name, tensor }, in definition order, each once, under its first name.
---@return { name: string, tensor: rille.Tensor }[]
function Module:named_parameters()
  local list, seen = {}, {}
  each_state(self, "", function(name, t, kind)
    if kind ~= "parameter" or seen[t] then return end
    seen[t] = true
    list[#list + 1] = { name = name, tensor = t, [1] = name, [2] = t }
  end)
  return list
end

---@return rille.Tensor[] parameters each once, in definition order
function Module:parameters()
  local list = {}
  for i, p in ipairs(self:named_parameters()) do list[i] = p.tensor end
  return list
end

---@param only? string "trained": without the frozen ones
---@return integer count of the parameters' elements
function Module:count(only)
  local n = 0
  for _, p in ipairs(self:parameters()) do
    if only ~= "trained" or p.requires_grad then n = n + p:numel() end
  end
  return n
end

---Set training mode (batch statistics, dropout) here and below.
---@param on? boolean default true
---@return rille.Module self
function Module:train(on)
  on = on == nil or on
  for _, m in ipairs(self:named_modules()) do rawset(m.module, "training", on) end
  return self
end

---@return rille.Module self in evaluation mode, with all below
function Module:eval() return self:train(false) end

local function set_mode_by_trained(module, inherited)
  local any, trained = false, false
  each_state(module, "", function(_, t, kind)
    if kind == "parameter" then any, trained = true, trained or t.requires_grad end
  end)
  local mode = inherited
  if any then mode = trained end
  rawset(module, "training", mode)
  for _, child in ipairs(module:named_children()) do set_mode_by_trained(child.module, mode) end
end

---Training mode where a parameter below is trained, evaluation mode elsewhere: what is frozen keeps its
---batch-norm statistics. Modules without parameters follow the module above them.
---@return rille.Module self
function Module:train_unfrozen()
  set_mode_by_trained(self, true)
  return self
end

---Run f on every module below, then on this one.
---@param f fun(module: rille.Module)
---@return rille.Module self
function Module:apply(f)
  for _, child in ipairs(self:named_children()) do child.module:apply(f) end
  f(self)
  return self
end

---Convert floating parameters and buffers to "f32" or "f64". They become new tensors: make
---optimisers afterwards.
---@param dtype string
---@return rille.Module self
function Module:to(dtype)
  check.word("Module:to", "dtype", dtype, { "f32", "f64" })
  local made = {}
  each_state(self, "", function(_, t, kind, owner, key)
    if (t.dtype ~= "f32" and t.dtype ~= "f64") or t.dtype == dtype then return end
    if not made[t] then
      local grad = t.requires_grad
      made[t] = t:detach():to(dtype)
      if kind == "parameter" then made[t].requires_grad = grad end
    end
    rawset(owner, key, made[t])
  end)
  return self
end

---Set every parameter's .grad to nil.
function Module:zero_grad()
  for _, p in ipairs(self:parameters()) do p.grad = nil end
end

---Run f(module, output) after each forward of this module; what it returns, if not nil, becomes the output.
---@return fun() remove
function Module:register_forward_hook(f)
  local hooks = self._hooks or {}
  hooks[#hooks + 1] = f
  self._hooks = hooks
  return function()
    for i, g in ipairs(hooks) do
      if g == f then
        table.remove(hooks, i)
        break
      end
    end
    if #hooks == 0 and self._hooks == hooks then self._hooks = false end
  end
end

local function run_hooks(self, y, ...)
  for _, f in ipairs(self._hooks) do
    local changed = f(self, y, ...)
    if changed ~= nil then y = changed end
  end
  return y, ...
end

---module(x): forward, with the layer's name on the path that errors, telemetry and the profiler show.
function Module:__call(...)
  local guard <close> = enter(self._segment) -- luacheck: ignore guard
  if self._hooks then return run_hooks(self, self:forward(...)) end
  return self:forward(...)
end

---pairs(module): its parameters by name, in definition order.
function Module:__pairs()
  local list, i = self:named_parameters(), 0
  return function()
    i = i + 1
    if list[i] then return list[i].name, list[i].tensor end
  end
end

function Module:forward()
  error(("%s: has no forward; write function %s:forward(x)"):format(self.class_name, self.class_name), 2)
end

---What stands in brackets when the module is printed; layers replace it.
function Module:describe() return "" end -- luacheck: ignore self

Module.is_module = is_module
Module.each_state = each_state

require "rille.nn.state"(Module)
require "rille.nn.tree"(Module)

return Module
