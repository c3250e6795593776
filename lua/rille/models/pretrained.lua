-- Weights that a network begins with, from a file.
local core = require "rille.core"
local match = require "rille.util.match"

local pretrained = {}

---Put a file's weights into a network; "random" leaves it as it was made. A last layer for another number of
---classes keeps its start. Of a file of several models, as a run's weights are, `part` is taken. A recipe
---that does so wants the file again when its runs are resumed or scored.
---
---Raises: "weights: ..." when there is no such file, or when it belongs to another network.
---@param module rille.Module
---@param file string safetensors with PyTorch's names, as examples/imagenet.py writes it; or "random"
---@param part? string what the names of the wanted weights begin with, as "encoder."; all where none do
---@return rille.Module module
function pretrained.pretrained(module, file, part)
  if file == "random" then return module end
  local state, why = core.io.load(file)
  if state and part then
    local own = match.below(state, part)
    state = next(own) and own or state
  end
  if not state then
    error(('weights: %s; write it on a machine with torchvision by "python examples/imagenet.py NETWORK FILE"'
      .. ', or begin with weights=random'):format(why), 2)
  end
  local ok, fault = pcall(module.load_state_dict, module, state)
  if not ok then
    error(('weights: "%s" does not fit %s: %s'):format(file, module.class_name,
      fault:match "load_state_dict: (.*); {" or fault), 2)
  end
  return module
end

return pretrained
