-- Layers without settings or parameters: ReLU, Sigmoid, Tanh, Identity. Any shape -> the same.

local core = require "rille.core"
local fused = require "rille.nn.fused"
local Module = require "rille.nn.module"

local function layer(name, op)
  local Layer = Module:extend(name)
  function Layer:forward(x) return core[op](x) end -- luacheck: ignore self
  Layer.keeps_nothing = true
  return Layer
end

local Identity = Module:extend("Identity")
function Identity:forward(x) return x end -- luacheck: ignore self
Identity.keeps_nothing = true

local ReLU = layer("ReLU", "relu")
function ReLU:forward(x) return fused.rectified(x) end -- luacheck: ignore self
ReLU.fusable = "relu"

return { ReLU = ReLU, Sigmoid = layer("Sigmoid", "sigmoid"), Tanh = layer("Tanh", "tanh"),
  Identity = Identity }
