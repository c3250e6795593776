-- rl.optim: optimisers under PyTorch's names. One C call steps all tensors; no optimiser writes into
-- a gradient.

local optim = {
  Adam = require("rille.optim.adam").Adam,
  AdamW = require("rille.optim.adam").AdamW,
  LARS = require("rille.optim.lars"),
  SGD = require("rille.optim.sgd"),
}

return setmetatable(optim, {
  __index = { clip_grad_norm = require "rille.optim.clip" },
})
