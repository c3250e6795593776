-- Completion of names at the prompt: globals, fields and methods of live values. Nothing is called while
-- looking.
local core = require "rille.core"

local complete = {}

local KEYWORDS = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in",
  "local", "nil", "not",
  "or", "repeat", "return", "then", "true", "until", "while" }
local PARTS = { "nn", "models", "optim", "data", "io", "gating", "schedule", "metrics", "plot" }
local FIELDS = { "shape", "dtype", "ndim", "requires_grad", "is_leaf", "path", "grad_fn", "version", "grad" }

-- Takes the names of one table and of what its metatable's __index leads to.
local function collect(value, take, depth)
  if depth > 8 then return end
  if core.is_tensor(value) then
    for name, f in pairs(core.Tensor.methods) do take(name, f) end
    for _, name in ipairs(FIELDS) do take(name, true) end
    return
  end
  if type(value) == "string" then return collect(string, take, depth + 1) end
  if type(value) ~= "table" then return end
  for name, v in next, value do take(name, v) end
  local meta = getmetatable(value)
  local index = type(meta) == "table" and rawget(meta, "__index")
  if type(index) == "table" then collect(index, take, depth + 1) end
  if rawget(value, "is_tensor") == core.is_tensor then
    for _, part in ipairs(PARTS) do take(part, true) end
  end
end

local function member(value, name)
  if core.is_tensor(value) then
    local ok, v = pcall(function() return value[name] end)
    return ok and v or nil
  end
  if type(value) ~= "table" then return nil end
  local ok, v = pcall(function() return value[name] end)
  return ok and v or nil
end

-- The value of "rl.nn" or "model.conv1" in an environment.
local function resolve(env, path)
  local value = env
  for name in path:gmatch("[^.]+") do
    value = member(value, name)
    if value == nil then return nil end
  end
  return value
end

local function common_prefix(words)
  local shared = words[1]
  for _, w in ipairs(words) do
    local n = 0
    while n < #shared and shared:byte(n + 1) == w:byte(n + 1) do n = n + 1 end
    shared = shared:sub(1, n)
  end
  return shared
end

---The words that `text` may become, sorted.
---@param env table the prompt's globals
---@param text string what stands before the cursor: a name, or names joined by . and at last : or .
---@return string[]
function complete.words(env, text)
  local path, mark, head = text:match("^(.-)([.:])([%w_]*)$")
  local value = env
  if path then value = resolve(env, path) else head = text:match("^[%w_]*$") end
  if not head or value == nil then return {} end
  local seen, out = {}, {}
  local function take(name, v)
    if type(name) ~= "string" or seen[name] or name:sub(1, #head) ~= head
      or not name:match("^[%a_][%w_]*$") then
      return
    end
    if mark == ":" and type(v) ~= "function" then return end
    if head == "" and name:sub(1, 1) == "_" then return end
    seen[name] = true
    out[#out + 1] = (path and path .. mark or "") .. name
  end
  collect(value, take, 0)
  if not path then
    for _, word in ipairs(KEYWORDS) do take(word, true) end
  end
  table.sort(out)
  return out
end

---The completer for core.readline: the words, behind what they share.
---@param env table
---@return fun(text: string): string[]
function complete.completer(env)
  return function(text)
    local words = complete.words(env, text)
    if #words == 0 then return {} end
    if #words > 1 then table.insert(words, 1, common_prefix(words)) end
    return words
  end
end

return complete
