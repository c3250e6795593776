-- Values put at paths of a recipe's options, data and stages: from presets, the command line, the prompt.
local paths = require "rille.run.paths"
local stage = require "rille.run.stage"
local turn = require "rille.run.turn"

local put = {}

-- Fields of stages that take names which are not there yet.
local ROOM = { losses = true, optimiser = true, ends = true, gate = true, watch = true }
local ROOM_OF_DATA = { augment = true, labelled = true, merge = true }

-- "gate" alone, where the recipe has no option of that name: of every stage and turn with several losses.
local function put_gate(tree, value, is_text)
  local n = 0
  for _, s in ipairs(tree.stages) do
    for _, t in ipairs(stage.turns(s)) do
      if next(t.losses, (next(t.losses))) ~= nil then
        put.value(tree, turn.where(t) .. ".gate", paths.copy(value), is_text)
        n = n + 1
      end
    end
  end
  if n == 0 then error('"gate": no stage has several losses; name one as stages.NAME.gate', 0) end
end

local function one_of(path, list, name)
  local one = name and stage.find(list, name)
  if one then return one end
  local known = {}
  for k, other in ipairs(list) do known[k] = other.name end
  error(paths.unknown(path, name or "", known), 0)
end

-- "stages.NAME.FIELD[.PART]" or "stages.NAME.turns.TURN.FIELD[.PART]".
local function put_stage(tree, path, names, value, o)
  local s = one_of(path, tree.stages, names[2])
  local owner, k, fields = s, 3, stage.FIELDS
  if names[3] == "turns" and s.turns then
    owner, k, fields = one_of(path, s.turns, names[4]), 5, turn.FIELDS
  end
  if not names[k] or names[k] == "name" then
    error(('"%s": name a field: %s'):format(path, table.concat(fields, ", ")), 0)
  end
  o.wrap = function(v) return { v } end
  o.known = function(list) return #list == 1 and fields or nil end
  o.may_add = function(list)
    if #list > 1 then return ROOM[list[1]] end
    for _, field in ipairs(fields) do
      if field == list[1] then return true end
    end
  end
  paths.put(owner, { table.unpack(names, k) }, value, o)
  stage.check(s, tree.losses)
end

---Put a value at a path: an option, "data.X", "stages.NAME.FIELD[.PART]",
---"stages.NAME.turns.TURN.FIELD[.PART]", or "gate" of all stages and turns with several losses.
---
---Raises: a text that names the nearest path.
---@param tree { options: table, data: table, stages: table[], losses: table }
---@param path string
---@param value any
---@param is_text? boolean value is text from a command line
function put.value(tree, path, value, is_text)
  local names = paths.split(path)
  local o = { path = path, is_text = is_text }
  if names[1] == "stages" then
    put_stage(tree, path, names, value, o)
  elseif names[1] == "data" then
    o.may_add = function(list) return #list == 1 or ROOM_OF_DATA[list[1]] or list[2] == "size" end
    paths.put(tree.data, { table.unpack(names, 2) }, value, o)
  elseif path == "gate" and tree.options.gate == nil then
    put_gate(tree, value, is_text)
  else
    paths.put(tree.options, names, value, o)
  end
end

-- Fields of a stage or turn from a preset: parts of optimiser and losses are laid over, by name also turns.
local function over_fields(where, t, fields)
  for field, value in pairs(fields) do
    local has_parts = type(value) == "table" and type(t[field]) == "table" and #value == 0
    if has_parts and (field == "optimiser" or field == "losses") then
      paths.lay_over(t[field], value)
    elseif has_parts and field == "turns" then
      for name, part in pairs(value) do
        over_fields(where, one_of(("%s.turns.%s"):format(where, name), t.turns, name), part)
      end
    else
      t[field] = paths.copy(value)
    end
  end
end

---Lay a preset's stages over those of the recipe.
---@param stages table[]
---@param over table<string, table> fields by stage
---@param losses table
function put.over_stages(stages, over, losses)
  for name, fields in pairs(over) do
    local s, where = one_of("presets", stages, name), "stages." .. name
    over_fields(where, s, fields)
    stage.check(s, losses)
  end
end

return put
