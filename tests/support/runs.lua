-- What the specs of runs share: a tiny phantom, runs in this process that stop where a spec wants, the
-- program itself.
local files = require "support.files"
local lfs = require "lfs"
local Recipe = require "rille.run.recipe"
local reload = require "rille.run.reload"
local rl = require "rille"
local runner = require "rille.run.runner"
local start = require "rille.run.start"

local runs = {}

local function absolute(path) return path:sub(1, 1) == "/" and path or lfs.currentdir() .. "/" .. path end

runs.RECIPE = absolute(_G.RILLE_ROOT) .. "/tests/support/recipes/tiny.lua"

local root
---A folder for all runs of a spec; drawn anew with its phantom after runs.clean.
function runs.root()
  if not root then
    root = files.folder()
    rl.data.phantom(root .. "/phantom", { train = 12, val = 6, test = 6, size = 16 })
  end
  return root
end

function runs.clean()
  if root then files.remove(root) end
  root = nil
end

function runs.data() return runs.root() .. "/phantom" end

local function quiet(run) -- warnings go into the log only
  run.log.warned = setmetatable({}, { __index = function() return true end })
  return run
end

---@param name string of the folder
---@param o? { recipe: string, set: string[], preset: string, seed: integer }
function runs.new(name, o)
  o = o or {}
  return quiet(start.new(Recipe.load(o.recipe or runs.RECIPE, { preset = o.preset or "tiny", set = o.set }),
    { dir = runs.root() .. "/" .. name, data = runs.data(), seed = o.seed or 1, checkpoint_steps = 1,
      quiet = true }))
end

function runs.resume(name)
  return quiet(start.resume(runs.root() .. "/" .. name, { checkpoint_steps = 1, quiet = true }))
end

---Train; `between(run)` is called between steps. A run that is left by an error is closed as a killed process
---leaves it.
---@return boolean is_over, any why
function runs.train(run, between)
  local look = reload.look
  reload.look = function(r)
    if between then between(r) end
    return look(r)
  end
  local ok, why = pcall(runner.train, run)
  reload.look = look
  if ok then
    require "rille.run.checkpoint".save_weights(run.dir .. "/weights.safetensors", run.models)
  end
  run.log:close()
  run.journal:close()
  run.lock = nil
  collectgarbage()
  return ok, why
end

---Train and leave after `n` steps of the run.
function runs.train_until(run, n)
  return runs.train(run, function(r)
    if r.position.run_step >= n then error({ stopped = true }, 0) end
  end)
end

function runs.weights(name) return files.read(runs.root() .. "/" .. name .. "/weights.safetensors") end

---Run the program.
---@param line string its arguments, quoted for the shell
---@param before? string environment
---@return integer code, string output and errors
function runs.program(line, before)
  local exe = lfs.symlinkattributes("/proc/self/exe", "target")
  local p = assert(io.popen(("cd %q && %s %q %s 2>&1; echo \"exit $?\""):format(runs.root(), before or "",
    exe, line)))
  local text = p:read "a"
  p:close()
  local output, code = text:match "^(.*)exit (%d+)\n$"
  return tonumber(code), output
end

return runs
