-- A glance at a data set before the first step: headers, names and lengths; nothing is decoded (about 0.1 ms
-- an image). One line per kind of finding; the first of a kind stands for all of it.
local build = require "rille.run.build"
local core = require "rille.core"
local kinds = require "rille.run.kinds"
local outputs = require "rille.run.outputs"
local paths = require "rille.run.paths"

local look = {}

-- What no training can do without, unless bad files are skipped.
local STOPS = { unreadable = true }

---Findings as lines.
---
---Raises: "data: ..." for files that cannot be read, unless data.on_bad is "skip".
---@param feed table
---@return string[]
function look.over(feed)
  if feed.name == "chest phantom" then return {} end -- drawn whole
  local findings = feed.set:inspect()
  local order, first, n = {}, {}, {}
  for _, f in ipairs(findings) do
    if not n[f.kind] then order[#order + 1], first[f.kind], n[f.kind] = f.kind, f.message, 0 end
    n[f.kind] = n[f.kind] + 1
  end
  local lines = {}
  for k, kind in ipairs(order) do
    local more = n[kind] > 1 and (", and %d more of this kind"):format(n[kind] - 1) or ""
    lines[k] = ("data: %s%s"):format(first[kind], more)
    if STOPS[kind] and feed.data.on_bad ~= "skip" then
      error(lines[k] .. '; put them right, or set data.on_bad = "skip"', 0)
    end
  end
  return lines
end

-- Raises where a table of kinds names an output that forward does not give.
local function check_names(where, watch, y)
  for _, kind in ipairs(kinds.ALL) do
    for _, name in ipairs(watch[kind] and kinds.outputs(watch[kind]) or {}) do
      if not outputs.has(y, name) then
        error(("%s.%s: forward gives no such output: %s"):format(where, kind,
          paths.missing(name, outputs.names(y))), 0)
      end
    end
  end
end

---Whether forward gives the outputs that stages watch and the report scores: asked of one image, before the
---first epoch is spent. Where forward itself raises, the first step tells it better.
---
---Raises: "stages.NAME.watch.KIND: ..." or "report.KIND: ...".
---@param run table recipe, models, feed, options, stages
function look.outputs(run)
  local random, batch = core.random_state(), run.feed:fixed("train", 1)()
  build.eval(run.models)
  local ok, y = pcall(core.no_grad, function()
    return outputs.wrap(run.recipe.table.forward(run.models, batch, run.options))
  end)
  core.random_state(random)
  if not ok then return end
  for _, s in ipairs(run.stages) do check_names(("stages.%s.watch"):format(s.name), s.watch or {}, y) end
  check_names("report", run.recipe.table.report or {}, y)
end

return look
