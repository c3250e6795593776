-- Every stage of the cooperative recipes and of what they are compared with, by the runner's own step
-- function: ten f64 steps at `tiny`, or one f32 step at `paper`.
-- As a script: rille tests/twin/cooperative.lua DIR [paper [CASE]] writes the start weights, the batches and
-- at `paper` what the step gave there, for cooperative.py and paper.py.
-- As a module: cases, tiny(case, folder) -> { stage = losses }, and the data meant.
local build = require "rille.run.build"
local checkpoint = require "rille.run.checkpoint"
local rl = require "rille"
local trial = require "rille.run.trial"
local steps = dofile(debug.getinfo(1, "S").source:match "^@(.*)/" .. "/steps.lua")

local SIZES = { -- what is set, and the phantom; dropout's masks are not shared with the twin
  tiny = { set = { "dropout=0", "batch=6" }, data = { train = 36, val = 6, test = 6, size = 64, seed = 5 } },
  paper = { set = { "dropout=0" }, data = { train = 4, val = 3, test = 3, size = 320, seed = 5 } },
}
local CASES = { -- name, recipe, option
  { "cooperative", "cooperative" },
  { "released", "cooperative_released" },
  { "uncertainty", "cooperative_joint", "method=uncertainty" },
  { "equal", "cooperative_joint", "method=equal" },
  { "gradprom", "cooperative_joint", "method=gradprom" },
  { "thirds", "cooperative_scanpath" },
}
for _, part in ipairs { "embed", "F4", "se", "shortcut", "gaze" } do
  CASES[#CASES + 1] = { "without_" .. part, "cooperative_ablation", "without=" .. part }
end
for _, net in ipairs { "mt_unet", "unet_class", "unet_map", "densenet", "res_se" } do
  CASES[#CASES + 1] = { net, "cooperative_baselines", "net=" .. net }
end

local function open(case, preset, data, dtype)
  local set = { table.unpack(SIZES[preset].set) }
  set[#set + 1] = case[3]
  return steps.open(case[2], preset, set, data, dtype)
end

local function dump_batch(run, case, n, batch, dump)
  dump(("%s-%s-%02d"):format(case[1], run.stages[run.position.stage].name, n),
    { image = batch.image, saliency = batch.saliency, label = batch.label, thirds = batch.thirds })
end

---The losses of ten f64 steps of each stage.
---@param case string[] one of `cases`
---@param data string a data set's folder
---@param dump? fun(name: string, tensors: table) gets the start weights and every batch
local function tiny(case, data, dump)
  local run, out = open(case, "tiny", data), {}
  if dump then steps.dump_weights(run, case[1], dump) end
  for k, s in ipairs(run.stages) do
    trial.enter(run, k)
    out[s.name] = {}
    steps.each_batch(run, k, { "image", "saliency", "thirds" }, function(batch, n)
      if dump then dump_batch(run, case, n, batch, dump) end
      out[s.name][n] = trial.step(run, batch).total
    end)
  end
  return out
end

-- What a first step of a stage gave: gradients (a tenth of them is Adam's first average), what was added to
-- the parameters, the loss before and behind it.
local function first_step(run, batch)
  local part, out, before = run.parts[1], {}, {}
  for k, p in ipairs(part.params) do before[k] = p:detach():clone() end
  local first = trial.step(run, batch)
  local state = part.optimiser:state_dict().tensors
  for k, name in ipairs(part.param_paths) do
    local average = state[name .. ".exp_avg"]
    out["grad." .. name] = average and average * 10 or rl.zeros_like(before[k])
    out["update." .. name] = part.params[k]:detach() - before[k]
  end
  out.losses = rl.tensor({ first.total, trial.step(run, batch).total }, { dtype = "f64" })
  return out
end

-- One f32 step of each stage, all from the start weights, on one batch of all training images.
local function paper(case, data, dump)
  local run, start = open(case, "paper", data, "f32"), {}
  steps.dump_weights(run, case[1], dump)
  for name, t in pairs(checkpoint.weights(run.models)) do start[name] = t:detach():clone() end
  for k, s in ipairs(run.stages) do
    checkpoint.put_weights(run.models, start)
    local batch = trial.enter(run, k, SIZES.paper.data.train)
    dump_batch(run, case, 1, batch, dump)
    dump(("%s-%s-step"):format(case[1], s.name), first_step(run, batch))
    collectgarbage()
  end
end

local preset, only = arg and arg[2] == "paper" and "paper" or "tiny", arg and arg[3]
steps.script("cooperative.lua", CASES, SIZES[preset].data, function(case, data, dump)
  if preset == "paper" then return (only or case[1]) == case[1] and paper(case, data, dump) end
  local got = tiny(case, data, dump)
  for _, name in ipairs(build.sorted_names(got)) do print(case[1], name, table.concat(got[name], " ")) end
end)

return { tiny = tiny, cases = CASES, data = { tiny = SIZES.tiny.data } }
