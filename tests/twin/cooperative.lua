-- Every stage of the cooperative recipes and of what they are compared with, by the runner's own step
-- function: ten f64 steps at `tiny`, or two f32 steps on one batch at `paper`.
-- As a script: rille tests/twin/cooperative.lua DIR [paper] writes the start weights and the batches there,
-- for cooperative.py.
-- As a module: cases, tiny(case, folder) and paper(case, folder) -> { stage = numbers }, and the data meant.
local build = require "rille.run.build"
local trial = require "rille.run.trial"
local steps = dofile(debug.getinfo(1, "S").source:match "^@(.*)/" .. "/steps.lua")

local SIZES = { -- what is set, and the phantom; dropout's masks are not shared with the twin
  tiny = { set = { "dropout=0", "batch=6" }, data = { train = 36, val = 6, test = 6, size = 64, seed = 5 } },
  paper = { set = { "dropout=0" }, data = { train = 3, val = 3, test = 3, size = 320, seed = 5 } },
}
local CASES = { -- name, recipe, option
  { "cooperative", "cooperative" },
  { "released", "cooperative_released" },
  { "uncertainty", "cooperative_joint", "method=uncertainty" },
  { "equal", "cooperative_joint", "method=equal" },
  { "gradprom", "cooperative_joint", "method=gradprom" },
}
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
    { image = batch.image, saliency = batch.saliency, label = batch.label })
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
    steps.each_batch(run, k, { "image", "saliency" }, function(batch, n)
      if dump then dump_batch(run, case, n, batch, dump) end
      out[s.name][n] = trial.step(run, batch).total
    end)
  end
  return out
end

---Loss and gradient's norm of one f32 step of each stage, and the loss behind it.
---@param case string[] one of `cases`
---@param data string a data set's folder; all its training images are the batch
---@param dump? fun(name: string, tensors: table)
local function paper(case, data, dump)
  local run, out = open(case, "paper", data, "f32"), {}
  if dump then steps.dump_weights(run, case[1], dump) end
  for k, s in ipairs(run.stages) do
    local batch = trial.enter(run, k, SIZES.paper.data.train)
    if dump then dump_batch(run, case, 1, batch, dump) end
    local first, second = trial.step(run, batch), trial.step(run, batch)
    out[s.name] = { first.total, first.norm, second.total }
    collectgarbage()
  end
  return out
end

local preset = arg and arg[2] == "paper" and "paper" or "tiny"
steps.script("cooperative.lua", CASES, SIZES[preset].data, function(case, data, dump)
  local got = (preset == "paper" and paper or tiny)(case, data, dump)
  for _, name in ipairs(build.sorted_names(got)) do print(case[1], name, table.concat(got[name], " ")) end
end)

local data = { tiny = SIZES.tiny.data, paper = SIZES.paper.data }
return { tiny = tiny, paper = paper, cases = CASES, data = data }
