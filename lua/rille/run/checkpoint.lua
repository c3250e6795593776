-- Checkpoints: one safetensors file holds everything that a run needs to go on as if it had never stopped.
-- Tensors are model.<path> and optim.<path>.<moment>; the rest is JSON in the metadata. Files are written
-- beside, synced and renamed; two generations stay, and the end of every stage, so that a run can be branched
-- there; a damaged one is set aside and the one before it is used.
local files = require "rille.util.files"
local match = require "rille.util.match"
local io_ = require "rille.core".io
local json = require "rille.util.json"
local saved = require "rille.gating.saved"

local checkpoint = {}

local FAILURES_MAX = 3

---All parameters and buffers of a run's models under their paths.
---@param models table<string, rille.Module>
---@return table<string, rille.Tensor>
function checkpoint.weights(models)
  local out = {}
  for name, model in pairs(models) do
    for _, s in ipairs(model:named_state()) do out[name .. "." .. s.name] = s.tensor end
  end
  return out
end

---Copy weights into the models.
---
---Raises: when a tensor is missing or of another shape.
---@param models table<string, rille.Module>
---@param tensors table<string, rille.Tensor>
---@param prefix? string of names in `tensors`
function checkpoint.put_weights(models, tensors, prefix)
  for name, model in pairs(models) do
    local state, start = {}, (prefix or "") .. name .. "."
    for key, t in pairs(tensors) do
      if key:sub(1, #start) == start then state[key:sub(#start + 1)] = t end
    end
    local ok, why = pcall(model.load_state_dict, model, state)
    if not ok then error(("model %s: %s"):format(name, tostring(why)), 0) end
  end
end

---Write weights alone: the run's result, and the best of a stage.
---@param path string
---@param models table
---@param meta? table<string, string>
---@return true? ok, string? why
function checkpoint.save_weights(path, models, meta)
  return io_.save_safetensors(path, checkpoint.weights(models), meta)
end

local function folder(run_dir) return run_dir .. "/checkpoints" end

local function states(run_dir) -- newest first
  local out = {}
  for _, name in ipairs(files.list(folder(run_dir))) do
    local n, mark = name:match("^state%-(%d+)([%-a-z]*)%.safetensors$")
    if n then
      out[#out + 1] = { name = name, path = folder(run_dir) .. "/" .. name, number = tonumber(n),
        is_end = mark == "-end" }
    end
  end
  table.sort(out, function(a, b) return a.number > b.number end)
  return out
end

-- Drops what no kept state refers to: states before the last two, weights of epochs that are no longer the
-- best.
local function drop_old(run_dir, keep_best)
  local list = states(run_dir)
  for k = 3, #list do
    if not list[k].is_end then os.remove(list[k].path) end
  end
  for _, name in ipairs(files.list(folder(run_dir))) do
    local is_kept = not name:match("^best%-") or keep_best[name]
    if not is_kept or name:match("%.tmp%-%d+$") then os.remove(folder(run_dir) .. "/" .. name) end
  end
end

-- A turn's optimiser is told apart by "TURN:" where a stage has several.
local function prefix_of(run, part) return #run.parts > 1 and part.turn.name .. ":" or "" end

---The tensors of a run's state, and the numbers of its optimisers by turn.
---@param run table
---@param is_inside boolean of a stage: with optimisers and averages
---@return table<string, rille.Tensor> tensors, table<string, table>? optimisers
function checkpoint.gather(run, is_inside)
  local tensors, optimisers = {}, {}
  for name, t in pairs(checkpoint.weights(run.models)) do tensors["model." .. name] = t end
  if not is_inside then return tensors, nil end
  for name, t in pairs(run.averages or {}) do tensors["ema." .. name] = t end
  for _, part in ipairs(run.parts) do
    local s, prefix = part.optimiser:state_dict(), "optim." .. prefix_of(run, part)
    for name, t in pairs(s.tensors) do tensors[prefix .. name] = t end
    optimisers[part.turn.name] = s.numbers
  end
  return tensors, optimisers
end

---Put the optimisers' state back.
---@param run table
---@param tensors table<string, rille.Tensor> of checkpoint.split
---@param optimisers table<string, table>
function checkpoint.put_optimisers(run, tensors, optimisers)
  for _, part in ipairs(run.parts) do
    local own = match.below(tensors, prefix_of(run, part))
    part.optimiser:load_state_dict { tensors = own, numbers = optimisers[part.turn.name] }
  end
end

---A save that failed: the state before it is kept, and it is told; the third in a row raises.
---@param keeper table
---@param step integer of the run
---@param why string
---@param warn fun(text: string)
---@return false
function checkpoint.failed(keeper, step, why, warn)
  keeper.failures = keeper.failures + 1
  local kept = keeper.saved_step and ("last good state is step %d"):format(keeper.saved_step)
    or "no state is saved yet"
  local text = ("checkpoint: step %d: %s; %s"):format(step, why, kept)
  if keeper.failures >= FAILURES_MAX then error(text .. "; free space and resume", 0) end
  warn(text .. "; training goes on")
  return false
end

---Save a state.
---
---A failure keeps the state before it and is told; the third in a row raises.
---@param keeper table { dir, failures, best_files: two generations' names, number }
---@param tensors table<string, rille.Tensor>
---@param state table plain values
---@param warn fun(text: string)
---@param is_end? boolean the end of a stage: it is never dropped
---@return boolean is_saved
function checkpoint.save(keeper, tensors, state, warn, is_end)
  local gate
  state.gate_states, gate = saved.split(state.gate_states)
  for path, t in pairs(gate) do tensors["gate." .. path] = t end
  files.make_folder(folder(keeper.dir))
  local number = keeper.number + 1
  local path = ("%s/state-%06d%s.safetensors"):format(folder(keeper.dir), number, is_end and "-end" or "")
  local ok, why = io_.save_safetensors(path, tensors, { rille_state = json.encode(state) })
  if ok then
    keeper.number, keeper.failures, keeper.saved_step = number, 0, state.run_step
    keeper.best_before, keeper.best_now = keeper.best_now, state.best and state.best.file
    local keep = {}
    for _, name in pairs { keeper.best_before or nil, keeper.best_now or nil } do keep[name] = true end
    if keeper.best_now then keep[keeper.best_now] = true end
    drop_old(keeper.dir, keep)
    return true
  end
  return checkpoint.failed(keeper, state.run_step, why, warn)
end

local function load_one(entry, run_dir)
  local tensors, meta = io_.load_safetensors(entry.path)
  if not tensors then return nil, meta end
  if not (meta and meta.rille_state) then return nil, "it holds no state of a run" end
  local ok, state = pcall(json.decode, meta.rille_state)
  if not ok then return nil, state end
  local best = state.best and state.best.file
  if best and files.kind(folder(run_dir) .. "/" .. best) ~= "file" then return nil, best .. " is missing" end
  return tensors, state
end

---The newest state that is whole.
---@param run_dir string
---@param say fun(text: string) told of each file that is set aside
---@param at? integer no state behind this step of the run
---@return table? tensors, table? state, integer number of the newest file seen
function checkpoint.load(run_dir, say, at)
  local list = states(run_dir)
  local newest = list[1] and list[1].number or 0
  for _, entry in ipairs(list) do
    local tensors, state = load_one(entry, run_dir)
    if tensors and (not at or state.run_step <= at) then return tensors, state, newest end
    if not tensors then
      local bad = entry.path:gsub("%.safetensors$", ".bad")
      os.rename(entry.path, bad)
      say(("checkpoint: %s is damaged and was set aside as %s: %s"):format(entry.name, bad:match("[^/]+$"),
        tostring(state)))
    end
  end
  return nil, nil, newest
end

---The steps of the states that are kept, in order.
---@param run_dir string
---@return integer[]
function checkpoint.steps(run_dir)
  local out, seen = {}, {}
  for _, entry in ipairs(states(run_dir)) do
    local tensors, state = load_one(entry, run_dir)
    if tensors and not seen[state.run_step] then
      seen[state.run_step] = true
      table.insert(out, 1, state.run_step)
    end
  end
  return out
end

---Split the tensors of a state into weights, optimisers, averages and what gates keep.
---@param tensors table<string, rille.Tensor>
---@return table model, table optim, table ema, table gate names without their prefix
function checkpoint.split(tensors)
  local out = { model = {}, optim = {}, ema = {}, gate = {} }
  for name, t in pairs(tensors) do
    local kind, path = name:match("^(%a+)%.(.*)$")
    if out[kind] then out[kind][path] = t end
  end
  return out.model, out.optim, out.ema, out.gate
end

---Read a file of weights.
---@param path string
---@return table<string, rille.Tensor>
function checkpoint.read_weights(path)
  local tensors, why = io_.load_safetensors(path)
  if not tensors then error(("%s; take a copy, or train again"):format(tostring(why)), 0) end
  return tensors
end

checkpoint.folder = folder

return checkpoint
