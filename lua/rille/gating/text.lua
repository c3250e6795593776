-- Gates written as text, "gradprom:main=ce,lambda=0.1", as recipes write them, { "gradprom", main = "ce" },
-- and as functions.

local check = require "rille.util.check"

local text = {}

local words = { ["true"] = true, ["false"] = false }

local function value_of(word)
  if words[word] ~= nil then return words[word] end
  return math.tointeger(word) or tonumber(word) or word
end

---"name:key=value,key=value" -> { "name", key = value }. Numbers, true and false become what they are.
---Raises: "gating.parse: ..." when it is not of that form.
---@param line string
---@return table spec
function text.parse(line)
  if type(line) ~= "string" then error("gating.parse: takes a text, not " .. tostring(line), 2) end
  local name, rest = line:match("^%s*([%w_]+)%s*:?(.*)$")
  if not name or (rest ~= "" and not line:find(":", 1, true)) then
    error(('gating.parse: "%s" is no gate; write name or name:key=value,key=value'):format(line), 2)
  end
  local spec = { name }
  for part in rest:gmatch("[^,]+") do
    local key, value = part:match("^%s*([%w_]+)%s*=%s*(.-)%s*$")
    if not key or value == "" then
      error(('gating.parse: "%s" in "%s" is no key=value'):format(part, line), 2)
    end
    spec[key] = value_of(value)
  end
  return spec
end

---The text of a spec; parse(format(spec)) gives the spec back, if its values are numbers, booleans and words.
---@param spec table|string
---@return string
function text.format(spec)
  if type(spec) == "string" then return spec end
  local keys, parts = {}, {}
  for key in pairs(spec) do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = key .. "=" .. tostring(spec[key]) end
  return tostring(spec[1]) .. (#parts > 0 and ":" .. table.concat(parts, ",") or "")
end

local function place_of(main, losses)
  for k, name in ipairs(losses) do
    if name == main then return k end
  end
  check.unknown("gating", "main loss", main, losses, 4)
end

---Make a gate from a spec; `main` is looked up among the losses and laid into ctx at each call.
---Raises: for a rule, a main loss or an option that does not exist.
---@param rules table<string, function> makers by name
---@param spec string|table|function
---@param losses string[] names in order
---@return function gate, integer? main
function text.make(rules, spec, losses)
  if type(spec) == "string" then spec = text.parse(spec) end
  if type(spec) == "function" then spec = { spec } end
  if type(spec) ~= "table" then error('gating: a gate is a text such as "none", a table or a function', 3) end
  local options, maker, main = {}, spec[1], nil
  for key, value in pairs(spec) do
    if type(key) == "string" and key ~= "main" then options[key] = value end
  end
  if spec.main ~= nil then main = place_of(spec.main, losses) end
  if type(maker) == "string" then
    local found = rawget(rules, maker)
    if not found then check.unknown("gating", "rule", maker, rules, 3) end
    maker = found(options)
  end
  return function(grads, ctx)
    ctx.main = ctx.main or main
    return maker(grads, ctx)
  end, main
end

return text
