-- Several runs of one recipe: every seed with every combination of varied values, each in a folder of its
-- own.
local sweep = {}

-- Cuts "none,gradprom:main=ce,lambda=0.1,{ 1, 2 }" at commas: those in braces, and those between the options
-- of a name with options, belong to one value.
local function values_of(text)
  local out, depth = {}, 0
  for part in (text .. ","):gmatch "([^,]*)," do
    local is_option = part:match "^%s*[%a_][%w_]*=" and #out > 0 and out[#out]:find(":", 1, true)
    if depth > 0 or is_option then
      out[#out] = out[#out] .. "," .. part
    else
      out[#out + 1] = part
    end
    local _, opened = part:gsub("{", "")
    local _, closed = part:gsub("}", "")
    depth = depth + opened - closed
  end
  return out
end

---Read "path=a,b".
---
---Raises: a text when it is not of that form, or names one value only.
---@param text string
---@return { path: string, values: string[] }
function sweep.parse(text)
  local path, list = text:match "^([%w_.%-]+)=(.*)$"
  if not path then error(('--vary "%s": write path=a,b'):format(text), 0) end
  local values = values_of(list)
  if #values < 2 then
    error(('--vary "%s": one value is no choice; write %s=a,b or use --set'):format(text, path), 0)
  end
  return { path = path, values = values }
end

-- What a folder is called after: the last part of each varied path with its value.
local function label_of(settings)
  local parts = {}
  for k, s in ipairs(settings) do
    parts[k] = s.path:match "([^.]+)$" .. "=" .. s.value:gsub("[^%w_.+-]+", "_")
  end
  return table.concat(parts, ",")
end

---Every run of a sweep, seeds innermost.
---@param varied { path: string, values: string[] }[]
---@param first integer seed
---@param last integer seed
---@return { name: string, seed: integer, set: string[] }[]
function sweep.plan(varied, first, last)
  local combinations = { {} }
  for _, v in ipairs(varied) do
    local longer = {}
    for _, before in ipairs(combinations) do
      for _, value in ipairs(v.values) do
        local one = { table.unpack(before) }
        one[#one + 1] = { path = v.path, value = value }
        longer[#longer + 1] = one
      end
    end
    combinations = longer
  end
  local out = {}
  for _, settings in ipairs(combinations) do
    local set = {}
    for k, s in ipairs(settings) do set[k] = s.path .. "=" .. s.value end
    for seed = first, last do
      local name = label_of(settings)
      out[#out + 1] = { name = (name == "" and "" or name .. "-") .. "seed" .. seed, seed = seed, set = set }
    end
  end
  return out
end

return sweep
