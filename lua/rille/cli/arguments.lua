-- Command lines against a table of options: { name =, value = "WORD" | nil, many =, doc = }. Wrong use is an
-- error table { usage = text }, which the program turns into exit code 2.
local nearest = require "rille.util.check".nearest

local arguments = {}

local function wrong(command, text)
  error({ usage = ("%s: %s; see rille %s --help"):format(command.name, text, command.name) }, 0)
end

local function find(command, word)
  local names = {}
  for _, option in ipairs(command.options) do
    if option.name == word then return option end
    names[#names + 1] = option.name
  end
  local near = nearest(word, names)
  wrong(command, ('unknown option "--%s"%s'):format(word,
    near and (', did you mean "--%s"?'):format(near) or ""))
end

local function convert(command, option, text)
  if option.kind ~= "integer" and option.kind ~= "number" then return text end
  local v = tonumber(text)
  if option.kind == "integer" then v = v and math.tointeger(v) end
  if not v or option.lo and v < option.lo then
    wrong(command, ("--%s takes %s%s, not \"%s\""):format(option.name,
      option.kind == "integer" and "an integer" or "a number",
      option.lo and (" of at least %g"):format(option.lo) or "", text))
  end
  return v
end

local function take_option(command, out, list, i)
  local word, glued = list[i]:match("^%-%-([^=]+)=(.*)$")
  local option = find(command, word or list[i]:sub(3))
  local value = true
  if option.value then
    value = glued
    -- a value may not look like an option; numbers may be negative
    if not value and list[i + 1] and (not list[i + 1]:match("^%-%-") or tonumber(list[i + 1])) then
      value, i = list[i + 1], i + 1
    end
    if not value and option.bare == nil then
      wrong(command, ("--%s needs a value (%s)"):format(option.name, option.value))
    end
    value = value and convert(command, option, value) or option.bare
  elseif glued then
    wrong(command, ("--%s takes no value"):format(option.name))
  end
  local key = option.name:gsub("-", "_")
  if option.many then
    out[key] = out[key] or {}
    table.insert(out[key], value)
  else
    if out[key] ~= nil then wrong(command, ("--%s is given twice"):format(option.name)) end
    out[key] = value
  end
  return i + 1
end

---Read a command line.
---
---Raises: a table { usage = text } on an unknown option, a missing value, too few or too many words.
---@param command { name: string, words: { least: integer, most: integer, what: string }, options: table[] }
---@param list string[] what stands behind the command's name
---@return table found options by name (- becomes _); words as 1, 2, ...; help = true when asked for
function arguments.read(command, list)
  local out, i = {}, 1
  while i <= #list do
    local word = list[i]
    if word == "--help" or word == "-h" then
      out.help = true
      i = i + 1
    elseif word:sub(1, 2) == "--" and #word > 2 then
      i = take_option(command, out, list, i)
    else
      out[#out + 1] = word
      i = i + 1
    end
  end
  if out.help then return out end
  if #out < command.words.least then wrong(command, "needs " .. command.words.what) end
  if #out > command.words.most then
    wrong(command, ('"%s" is one word too many'):format(out[command.words.most + 1]))
  end
  return out
end

---The text of --help.
---@param command table
---@return string
function arguments.help(command)
  local lines = { ("rille %s %s"):format(command.name, command.usage or ""), "", command.doc, "" }
  for _, option in ipairs(command.options) do
    local left = "--" .. option.name .. (option.value and " " .. option.value or "")
    lines[#lines + 1] = ("  %-28s %s"):format(left, option.doc)
  end
  return (table.concat(lines, "\n"):gsub("%s+$", ""))
end

return arguments
