-- What tells several runs apart: options, fields of stages, the preset; and the runs that are alike in it.

local figures = require "rille.report.figures"
local format = require "rille.report.format"
local gates = require "rille.report.gates"

local variants = {}

local NONE = "–"

local function flatten(out, path, v)
  local is_map = type(v) == "table" and next(v) ~= nil and #v == 0
  if not is_map then
    out[path] = format.value(v)
    return
  end
  for k, inner in pairs(v) do flatten(out, (path == "" and "" or path .. ".") .. tostring(k), inner) end
end

---Everything that may be varied, by path: options, the fields of stages, the preset.
---@param info table of run.json
---@return table<string, string>
function variants.settings(info)
  local out = { preset = info.preset and tostring(info.preset) or nil }
  if type(info.options) == "table" then flatten(out, "", info.options) end
  for _, stage in ipairs(type(info.stages) == "table" and info.stages or {}) do
    if type(stage) == "table" then
      local path = "stages." .. tostring(stage.name) .. "."
      for _, key in ipairs { "trains", "losses", "optimiser", "ends" } do
        if stage[key] ~= nil then out[path .. key] = format.value(stage[key]) end
      end
      out[path .. "gate"] = gates.name(stage.gate)
    end
  end
  return out
end

-- Paths whose value differs between runs of one recipe.
local function varied(runs)
  local first, differs = {}, {}
  for _, run in ipairs(runs) do
    first[run.recipe] = first[run.recipe] or run.settings
    for _, pair in ipairs { { run.settings, first[run.recipe] }, { first[run.recipe], run.settings } } do
      for path, v in pairs(pair[1]) do differs[path] = differs[path] or pair[2][path] ~= v or nil end
    end
  end
  differs.seed = nil
  return figures.keys(differs)
end

---Runs of one recipe that are alike in all of the paths.
---@param runs table[] recipe, settings
---@param paths string[]
---@return { cells: string[], runs: table[] }[] cells: the recipe, then the value of each path
function variants.group(runs, paths)
  local groups, by_key = {}, {}
  for _, run in ipairs(runs) do
    local parts = { run.recipe }
    for k, path in ipairs(paths) do parts[k + 1] = run.settings[path] or NONE end
    local key = table.concat(parts, "\0")
    if not by_key[key] then
      by_key[key] = { cells = parts, runs = {} }
      groups[#groups + 1] = by_key[key]
    end
    table.insert(by_key[key].runs, run)
  end
  return groups
end

---The paths that tell runs apart. What an option makes of the stages is not told again: a stage's field that
---tells no further runs apart is left out.
---@param runs table[]
---@return string[]
function variants.paths(runs)
  local paths, out = varied(runs), {}
  for _, path in ipairs(paths) do
    if not path:find "^stages%." then out[#out + 1] = path end
  end
  for _, path in ipairs(paths) do
    local more = table.move(out, 1, #out, 1, {})
    more[#more + 1] = path
    if path:find "^stages%." and #variants.group(runs, more) > #variants.group(runs, out) then out = more end
  end
  return out
end

---A variant in a few words: its recipe, and what it has of the columns.
---@param g table of group
---@return string
function variants.name(g)
  local out = {}
  for _, cell in ipairs(g.cells) do
    if cell ~= NONE then out[#out + 1] = cell end
  end
  return table.concat(out, ", ")
end

return variants
