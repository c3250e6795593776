-- A run folder opened for use: its recipe as it was run, its models with their last weights, its data.
local build = require "rille.run.build"
local checkpoint = require "rille.run.checkpoint"
local Feed = require "rille.run.feed"
local files = require "rille.util.files"
local start = require "rille.run.start"

local reopen = {}

-- The final weights; before a run has ended, those of its newest whole checkpoint.
local function weights_of(dir, say)
  local path = dir .. "/weights.safetensors"
  if files.kind(path) == "file" then return checkpoint.read_weights(path) end
  local tensors = checkpoint.load(dir, say)
  if not tensors then error(('run: "%s" has no weights yet; it has saved nothing'):format(dir), 0) end
  return (checkpoint.split(tensors))
end

---Open a run folder. The models are in evaluation mode.
---@param dir string
---@param o? { data: string?, say: fun(text: string)?, without_data: boolean? }
---@return table opened dir, info, recipe, options, models, feed
function reopen.run(dir, o)
  o = o or {}
  local say = o.say or function() end
  local info = start.read_info(dir)
  local opened = { dir = dir, info = info, recipe = start.recipe_of(info) }
  opened.options = opened.recipe.options
  Feed.describe(info.data, opened.options)
  if not o.without_data then
    opened.feed = Feed.open(opened.recipe, { dir = o.data or info.data.given, out = files.folder(dir),
      seed = info.seed, say = say })
    local a, b = table.concat(opened.feed.classes, ", "), table.concat(info.data.classes, ", ")
    if a ~= b and (opened.recipe.table.report or {}).classify then -- else they do not matter
      error(("data: the classes are %s, but the run was trained on %s; give the same classes"):format(a, b),
        0)
    end
  end
  opened.models = build.models(opened.recipe, opened.options, info.seed)
  checkpoint.put_weights(opened.models, weights_of(dir, say))
  build.eval(opened.models)
  return opened
end

return reopen
