-- A recipe: found by name or path, run as text, checked field by field, with a preset and the command line
-- laid over its options.
local files = require "rille.util.files"
local kinds = require "rille.run.kinds"
local nearest = require "rille.util.check".nearest
local paths = require "rille.run.paths"
local put = require "rille.run.put"
local stage = require "rille.run.stage"

local recipe = {}

local FIELDS = { "after", "cache", "data", "forward", "losses", "models", "options", "presets", "report",
  "stages", "telemetry" }
-- How the phantom is drawn where no data is given; its size is the recipe's unless one is set.
local PHANTOM = { train = 600, val = 100, test = 200, seed = 1 }
local PLAIN = { size = 128, channels = 1, batch = 16 } -- what every recipe has, if it says nothing

-- Where recipes lie: here, beside the library in the source tree, and where they are installed.
local function folders()
  local out = { ".", "recipes" }
  local here = package.searchpath("rille.cli", package.path) or package.searchpath("rille", package.path)
  if here then
    local library = here:match("^(.*)/rille/cli/init%.lua$") or here:match("^(.*)/rille/init%.lua$")
    if library then
      out[#out + 1] = library .. "/../recipes"
      out[#out + 1] = library .. "/rille/recipes"
    end
  end
  return out
end

---The names of all recipes that can be run by name.
---@return string[]
function recipe.names()
  local out, seen = {}, {}
  for i, dir in ipairs(folders()) do
    for _, file in ipairs(i > 1 and files.list(dir) or {}) do
      local name = file:match("^(.*)%.lua$")
      if name and not seen[name] then seen[name], out[#out + 1] = true, name end
    end
  end
  table.sort(out)
  return out
end

---The file of a recipe.
---
---Raises: "recipe: ..." with the nearest name when there is none.
---@param name string a name, or a path when it ends in .lua or has a slash
---@return string path
function recipe.find(name)
  if name:match("%.lua$") or name:find("/", 1, true) then
    if files.kind(name) == "file" then return name end
    if files.kind(name .. ".lua") == "file" then return name .. ".lua" end
    error(('recipe: "%s" does not exist; give a path to a .lua file, or a name: %s'):format(name,
      table.concat(recipe.names(), ", ")), 0)
  end
  for _, dir in ipairs(folders()) do
    local path = dir .. "/" .. name .. ".lua"
    if files.kind(path) == "file" then return (path:gsub("^%./", "")) end
  end
  local names = recipe.names()
  local near = nearest(name, names)
  error(('recipe: nothing is called "%s"%s; there are %s'):format(name,
    near and (', did you mean "%s"?'):format(near) or "",
    #names > 0 and table.concat(names, ", ") or "no recipes here"), 0)
end

local function need(file, ok, field, text)
  if not ok then error(('recipe: "%s": %s: %s'):format(file, field, text), 0) end
end

local function check_fields(file, R)
  need(file, type(R) == "table", "the file", "must return a table; end it with `return R`")
  for key in pairs(R) do
    local is_known = false
    for _, name in ipairs(FIELDS) do is_known = is_known or name == key end
    if not is_known then
      need(file, false, tostring(key), paths.missing(tostring(key), FIELDS))
    end
  end
  need(file, type(R.models) == "function", "models",
    "must be a function of the options that returns { name = module }")
  need(file, type(R.forward) == "function", "forward",
    "must be a function (models, batch, options) that returns a table of outputs")
  need(file, type(R.losses) == "table" and next(R.losses), "losses",
    "must be a table { name = function(y, batch, models, options) }")
  for name, f in pairs(R.losses) do
    need(file, type(name) == "string" and type(f) == "function", "losses." .. tostring(name),
      "must be a function of (y, batch, models, options)")
  end
  for _, name in ipairs { "options", "presets", "data", "cache" } do
    need(file, R[name] == nil or type(R[name]) == "table", name, "must be a table")
  end
  need(file, R.after == nil or type(R.after) == "function", "after",
    "must be a function (models, state, options), called after each optimiser step")
  need(file, R.telemetry == nil or type(R.telemetry) == "function", "telemetry",
    "must be a function (y, batch, models, options) that returns a flat table of numbers for the log")
  need(file, R.report == nil or type(R.report) == "table" or type(R.report) == "function", "report",
    "must be a table, or a function of the options that returns one")
  need(file, type(R.stages) == "table" or type(R.stages) == "function", "stages", "must be a list of stages")
end

---Run a recipe's text and check its fields.
---@param text string
---@param file string for messages
---@return table R
function recipe.evaluate(text, file)
  if text:byte(1) == 27 then
    error(('recipe: "%s" is compiled code, which is never run; give the source'):format(file), 0)
  end
  local chunk, why = load(text, "@" .. file, "t")
  if not chunk then error("recipe: " .. why, 0) end
  local ok, R = pcall(chunk)
  if not ok then error("recipe: " .. tostring(R), 0) end
  check_fields(file, R)
  return R
end

local function names_of(t)
  local out = {}
  for k in pairs(t) do out[#out + 1] = k end
  table.sort(out)
  return out
end

-- A preset's options, and apart from them what it says of stages and data.
local function apply_preset(r, tree, name)
  local preset = r.table.presets and r.table.presets[name]
  if not preset then
    if name == "desk" then return end
    local known = names_of(r.table.presets or {})
    known[#known + 1] = "desk"
    error(('recipe: "%s": %s'):format(r.file, paths.unknown("preset", name, known)), 0)
  end
  for key, value in pairs(preset) do
    if key == "stages" or key == "data" then
      tree.over[key] = value
    elseif key:find(".", 1, true) then
      put.value(tree, key, value)
    else
      tree.options[key] = paths.copy(value)
    end
  end
end

local function apply_sets(r, tree, list, want_stages)
  for _, text in ipairs(list) do
    local path, value = text:match("^([%w_.%-]+)=(.*)$")
    if not path then error(('recipe: "%s": --set "%s": write path=value'):format(r.file, text), 0) end
    local is_of_stages = path:match("^stages%.") or path == "gate" and tree.options.gate == nil
    if (is_of_stages ~= nil and is_of_stages ~= false) == want_stages then
      local ok, why = pcall(put.value, tree, path, value, true)
      if not ok then error(('recipe: "%s": --set %s'):format(r.file, why), 0) end
    end
  end
end

---The table of another recipe, afresh: what a recipe of the same family starts from, as in
---rl.recipe "cooperative". A change in that other file is taken up by new runs only; a running one
---watches its own file.
---@param name string
---@return table R
function recipe.base(name)
  local file = recipe.find(name)
  local text, why = files.read(file)
  if not text then error("recipe: " .. tostring(why), 0) end
  return recipe.evaluate(text, file)
end

---Resolve options and stages of an evaluated recipe.
---@param r table recipe with .table and .file
---@param o { preset: string?, set: string[]? }
---@return table r with options, data, stages
function recipe.resolve(r, o)
  local R = r.table
  local tree = { options = paths.lay_over(paths.copy(PLAIN), R.options or {}),
    data = paths.lay_over({ phantom = paths.copy(PHANTOM) }, R.data or {}), over = {},
    stages = {}, losses = R.losses }
  r.preset, r.set = o.preset or "desk", o.set or {}
  apply_preset(r, tree, r.preset)
  if tree.over.data then paths.lay_over(tree.data, tree.over.data) end
  apply_sets(r, tree, r.set, false)
  local ok, why = pcall(function()
    local raw = R.stages
    if type(raw) == "function" then raw = raw(tree.options) end
    tree.stages = stage.read_all(raw, R.losses)
    put.over_stages(tree.stages, tree.over.stages or {}, R.losses)
  end)
  if not ok then error(('recipe: "%s": %s'):format(r.file, why), 0) end
  apply_sets(r, tree, r.set, true)
  if type(R.report) == "function" then R.report = R.report(tree.options) end
  ok, why = pcall(kinds.check, "report", R.report or {})
  if not ok then error(('recipe: "%s": %s'):format(r.file, why), 0) end
  r.options, r.data, r.stages = tree.options, tree.data, tree.stages
  return r
end

---Load a recipe from its text, or from the file of that name.
---@param name string
---@param o? { preset: string?, set: string[]?, text: string? }
---@return table recipe file, text, table, options, data, stages, preset, set
function recipe.load(name, o)
  o = o or {}
  local file = o.text and name or recipe.find(name)
  local text, why = o.text, nil
  if not text then text, why = files.read(file) end
  if not text then error("recipe: " .. tostring(why), 0) end
  local r = { file = file, text = text, name = file:match("([^/]+)%.lua$") or file,
    table = recipe.evaluate(text, file) }
  return recipe.resolve(r, o)
end

return recipe
