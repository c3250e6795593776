-- A gate's state as a checkpoint holds it: plain values for JSON, and its tensors by path.

local core = require "rille.core"

local saved = {}

local function split(value, path, tensors)
  if core.is_tensor(value) then
    tensors[path] = value
    return nil
  end
  if type(value) ~= "table" then return value end
  local out = {}
  for key, v in pairs(value) do
    out[key] = split(v, ("%s/%s%s"):format(path, math.type(key) and "#" or "", key), tensors)
  end
  return out
end

---@param state table numbers, texts, booleans, tensors and tables of these; keys without "/"
---@return table plain, table<string, rille.Tensor> tensors
function saved.split(state)
  local tensors = {}
  return split(state or {}, "", tensors), tensors
end

---The state with tables of its own; tensors are not copied: rules replace them, and never write into them.
---@param state table
---@return table
function saved.copy(state)
  local out = {}
  for key, v in pairs(state) do
    out[key] = type(v) == "table" and not core.is_tensor(v) and saved.copy(v) or v
  end
  return out
end

---The state again.
---@param plain table changed
---@param tensors table<string, rille.Tensor>
---@return table state
function saved.join(plain, tensors)
  for path, t in pairs(tensors) do
    local at, keys = plain, {}
    for key in path:gmatch "[^/]+" do keys[#keys + 1] = math.tointeger(key:match "^#(%d+)$") or key end
    for n = 1, #keys - 1 do
      at[keys[n]] = at[keys[n]] or {}
      at = at[keys[n]]
    end
    at[keys[#keys]] = t
  end
  return plain
end

return saved
