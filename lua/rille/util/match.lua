-- Names of parameters chosen by text: "encoder. head." takes every name that begins with one of the words,
-- "*" takes all, and a word with * or ? in it is compared with the whole name (* stands for any letters, ?
-- for one).

local match = {}

local function one(word)
  if not word:find("[*?]") then return function(name) return name:sub(1, #word) == word end end
  local pattern = word:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".")
  pattern = "^" .. pattern .. "$"
  return function(name) return name:find(pattern) ~= nil end
end

---@param text string words between spaces
---@return fun(name: string): boolean matches
function match.compile(text)
  if type(text) ~= "string" then error("match: a pattern is a text, not " .. tostring(text), 2) end
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = one(word) end
  return function(name)
    for _, accepts in ipairs(words) do
      if accepts(name) then return true end
    end
    return false
  end
end

---The entries whose names begin with a prefix, by the rest of their names.
---@param entries table<string, any>
---@param prefix string
---@return table<string, any>
function match.below(entries, prefix)
  local out = {}
  for name, v in pairs(entries) do
    if name:sub(1, #prefix) == prefix then out[name:sub(#prefix + 1)] = v end
  end
  return out
end

return match
