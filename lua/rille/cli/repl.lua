-- rille repl: the prompt; with a run folder, its models with their last weights, its options and its data.
local command = { name = "repl", usage = "[RUN]",
  words = { least = 0, most = 1, what = "at most a run folder" },
  doc = "a prompt with rl and help(); with a run folder also models, options, feed", options = {} }

function command.run(o)
  local repl = require "rille.repl"
  if not o[1] then return repl.session() end
  local opened = require "rille.run.reopen".run(o[1])
  return repl.session { models = opened.models, options = opened.options, feed = opened.feed,
    recipe = opened.recipe.table }
end

return command
