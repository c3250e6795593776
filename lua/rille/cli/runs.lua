-- rille runs: the run folders in a folder, one line each.
local files = require "rille.util.files"

local command = { name = "runs", usage = "[DIR]", words = { least = 0, most = 1, what = "at most a folder" },
  doc = "list the runs in a folder (default runs/): recipe, preset, seed, state, main figure", options = {} }

local function line_of(dir)
  local json, read_info = require "rille.util.json", require "rille.run.start".read_info
  local ok, info = pcall(read_info, dir)
  if not ok then return nil end
  local text = files.read(dir .. "/metrics.json")
  local m = text and json.decode(text).metrics
  local figure = "not finished"
  if m then
    figure = m.auc_macro and ("AUC %.3f"):format(m.auc_macro) or m.cc and ("CC %.3f"):format(m.cc.mean)
      or "done"
  end
  return ("%-32s %-20s %-6s seed %-4d %s"):format(dir, info.recipe:match("([^/]+)%.lua$") or info.recipe,
    info.preset, info.seed, figure)
end

function command.run(o)
  local dir, n = o[1] or "runs", 0
  for _, name in ipairs(files.list(dir)) do
    local text = files.kind(dir .. "/" .. name .. "/run.json") and line_of(dir .. "/" .. name)
    if text then
      print(text)
      n = n + 1
    end
  end
  if n == 0 then print(("no runs in %s"):format(dir)) end
  return 0
end

return command
