-- rl.nn: layers under PyTorch's names, and what one needs to write one's own.

local layers = {
  Conv2d = "conv", Linear = "linear", BatchNorm2d = "batchnorm", BatchNorm1d = "batchnorm",
  Dropout = "dropout",
  MaxPool2d = "pooling", AvgPool2d = "pooling", AdaptiveAvgPool2d = "pooling", Upsample = "upsample",
  PReLU = "prelu", LeakyReLU = "leaky_relu", PixelShuffle = "pixel_shuffle",
  ReLU = "pointwise", Sigmoid = "pointwise", Tanh = "pointwise", Identity = "pointwise", Flatten = "flatten",
  Sequential = "containers", ModuleList = "containers", ModuleDict = "containers", SE = "se",
}

local nn = {
  Module = require "rille.nn.module",
  init = require "rille.nn.initial",
  fused = require "rille.nn.fused",
}

for name, file in pairs(layers) do nn[name] = require("rille.nn." .. file)[name] end

---@param v any
---@return boolean is whether v is a Module
nn.is_module = nn.Module.is_module

return setmetatable(nn, {
  __index = function(self, name)
    if name ~= "functional" then return nil end
    self.functional = require "rille.nn.functional"
    return self.functional
  end,
})
