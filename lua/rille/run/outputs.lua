-- What a recipe's forward gives: values, or functions that run when their name is first read, once per
-- batch. So a stage computes only what its losses read.

local outputs = {}

local MADE = {} -- the key under which y holds what forward returned

local function known_names(made)
  local out = {}
  for name in pairs(made) do out[#out + 1] = tostring(name) end
  table.sort(out)
  return table.concat(out, ", ")
end

local function busy() end -- stands in place of a function that is running

local function run(y, made, name, f)
  if f == busy then error(('forward: output "%s" needs itself'):format(name), 0) end
  made[name] = busy
  local v = f(y)
  made[name] = f
  if v == nil then error(('forward: the function of output "%s" gave nothing'):format(name), 0) end
  return v
end

local function lookup(y, name)
  local made = y[MADE]
  local v = made[name]
  if v == nil then
    error(('forward: there is no output "%s"; there are %s'):format(tostring(name), known_names(made)), 2)
  end
  if type(v) == "function" then v = run(y, made, name, v) end
  y[name] = v
  return v
end

local Outputs = { __index = lookup }

---Wrap what forward returned.
---@param made table values and functions by name
---@param ready? table<string, rille.Tensor> outputs that are known already (cached features)
---@return table y
function outputs.wrap(made, ready)
  if type(made) ~= "table" then error("forward: must return a table of outputs, not " .. type(made), 0) end
  local y = { [MADE] = made }
  if ready then
    for name, t in pairs(ready) do y[name] = t end
  end
  return setmetatable(y, Outputs)
end

---@param y table
---@param name string
---@return boolean
function outputs.has(y, name) return rawget(y, name) ~= nil or y[MADE][name] ~= nil end

---Names of all outputs, sorted.
---@param y table
---@return string[]
function outputs.names(y)
  local out = {}
  for name in pairs(y[MADE]) do out[#out + 1] = name end
  table.sort(out)
  return out
end

return outputs
