-- From a recipe to live objects: models with their initial weights, their parameters and modes.
local core = require "rille.core"

local build = {}

local function sorted_names(t)
  local out = {}
  for name in pairs(t) do out[#out + 1] = name end
  table.sort(out)
  return out
end
build.sorted_names = sorted_names

---Make the recipe's models; all random numbers of their weights come from the seed.
---
---Raises: "recipe: ..." when something else than modules comes back.
---@param recipe table
---@param options table
---@param seed integer
---@return table<string, rille.Module>
function build.models(recipe, options, seed)
  core.manual_seed(seed)
  local models = recipe.table.models(options)
  if type(models) ~= "table" or next(models) == nil then
    error(('recipe: "%s": models: must return a table { name = module }'):format(recipe.file), 0)
  end
  for name, m in pairs(models) do
    if type(name) ~= "string" or type(m) ~= "table" or type(m.named_parameters) ~= "function" then
      error(('recipe: "%s": models: "%s" is no module; return a table { name = module }'):format(recipe.file,
        tostring(name)), 0)
    end
    rawset(m, "_segment", name)
  end
  return models
end

---All parameters with their paths, models in the order of their names.
---@param models table
---@return { path: string, tensor: rille.Tensor }[]
function build.parameters(models)
  local out = {}
  for _, name in ipairs(sorted_names(models)) do
    for _, p in ipairs(models[name]:named_parameters()) do
      out[#out + 1] = { path = name .. "." .. p.name, tensor = p.tensor }
    end
  end
  return out
end

---Number of elements of the parameters, trained or not.
---@param list table[]
---@param is_trained? boolean
---@return integer
function build.count(list, is_trained)
  local n = 0
  for _, p in ipairs(list) do
    if is_trained == nil or p.tensor.requires_grad == is_trained then n = n + p.tensor:numel() end
  end
  return n
end

---Training mode where a parameter below is trained, evaluation mode elsewhere. With `is_moving` the batch
---norms of frozen parts normalise by the batch, and their running statistics go on moving.
---@param models table
---@param is_moving? boolean
function build.modes(models, is_moving)
  for _, m in pairs(models) do
    m:train_unfrozen()
    if is_moving then
      m:apply(function(part)
        if rawget(part, "running_mean") then rawset(part, "training", true) end
      end)
    end
  end
end

---@param models table
function build.eval(models)
  for _, m in pairs(models) do m:eval() end
end

---Buffers that move while training: those of modules in training mode.
---@param models table
---@return rille.Tensor[]
function build.moving_buffers(models)
  local out = {}
  for _, name in ipairs(sorted_names(models)) do
    for _, s in ipairs(models[name]:named_state()) do
      if s.kind == "buffer" then out[#out + 1] = s.tensor end
    end
  end
  return out
end

return build
