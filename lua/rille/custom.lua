-- rl.custom: an op written in Lua. A pair of functions is registered once; a call keeps only the tensors
-- given to ctx:save and plain values, no closure, so a graph never holds on to more than its backward reads.
local core = require "rille.core"

local Context = {}
Context.__index = Context

---Keep tensors for backward, at most six; ctx:saved() gives them back in this order.
function Context:save(...) self._saved = { ... } end

---@return rille.Tensor ...
function Context:saved() return table.unpack(self._saved) end

local PLAIN = { number = true, string = true, boolean = true }

local function plain_values(name, ctx)
  local values = {}
  for key, value in pairs(ctx) do
    if key ~= "_saved" then
      if not PLAIN[type(value)] then
        error(("%s: ctx.%s is a %s; keep tensors with ctx:save, and only numbers, text and booleans as "
          .. "fields"):format(name, key, type(value)), 0)
      end
      values[key] = value
    end
  end
  return values
end

---Make an op from a forward and a backward written in Lua.
---
---forward(ctx, ...) gets the call's arguments and returns one new tensor; nothing in it is recorded.
---backward(ctx, dy) returns one gradient per tensor argument, in order (nil where there is none), shaped as
---that argument.
---Raises: when backward returns something of another shape; what the two functions raise themselves.
---@param def { name: string, forward: function, backward: function }
---@return fun(...): rille.Tensor
local function custom(def)
  local name = def.name or "custom"
  if type(def.forward) ~= "function" or type(def.backward) ~= "function" then
    error("custom: needs { name = text, forward = function, backward = function }", 2)
  end
  local function run(call, saved, dy)
    local ctx = setmetatable({ _saved = saved }, Context)
    for key, value in pairs(call.values) do ctx[key] = value end
    return { def.backward(ctx, dy) }
  end
  return function(...)
    local ctx, inputs = setmetatable({ _saved = {} }, Context), {}
    for i = 1, select("#", ...) do
      local v = select(i, ...)
      if core.is_tensor(v) then inputs[#inputs + 1] = v end
    end
    local out = core.no_grad(def.forward, ctx, ...)
    if not core.is_tensor(out) then error(name .. ": forward must return a tensor", 2) end
    for _, x in ipairs(inputs) do
      if rawequal(x, out) then out = out:detach() end
    end
    core.record_custom({ run = run, values = plain_values(name, ctx) }, inputs, out, ctx._saved)
    return out
  end
end

return custom
