-- ResNet-18, -34, -50 and -101 (He et al. 2015, arXiv:1512.03385), with the parameter names of the common
-- ImageNet checkpoints.

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local other_head = require "rille.models.other_head"

local Conv2d, BatchNorm2d = nn.Conv2d, nn.BatchNorm2d

local function conv(channels, out, kernel, stride)
  return Conv2d(channels, out, kernel, { stride = stride, padding = kernel // 2, bias = false })
end

-- What brings a block's input to the shape of its output; nil where it has it already.
local function downsample(channels, out, stride)
  if channels == out and stride == 1 then return nil end
  return nn.Sequential(conv(channels, out, 1, stride), BatchNorm2d(out))
end

local function shortcut(block, x) return block.downsample and block.downsample(x) or x end

---Two 3x3 convolutions around which the input is added.
local Basic = nn.Module:extend("ResNetBasic")
Basic.expansion = 1

function Basic:init(channels, width, stride)
  self.conv1 = conv(channels, width, 3, stride)
  self.bn1 = BatchNorm2d(width)
  self.conv2 = conv(width, width, 3, 1)
  self.bn2 = BatchNorm2d(width)
  self.downsample = downsample(channels, width, stride)
end

function Basic:forward(x)
  local v = fused.conv(self.conv1, x, self.bn1, "relu")
  v = fused.conv(self.conv2, v, self.bn2, "relu")
  return fused.value(v, shortcut(self, x))
end

---1x1 to a quarter of the channels, 3x3 (with the stride), 1x1 back; around them the input is added.
local Bottleneck = nn.Module:extend("ResNetBottleneck")
Bottleneck.expansion = 4

function Bottleneck:init(channels, width, stride)
  self.conv1 = conv(channels, width, 1, 1)
  self.bn1 = BatchNorm2d(width)
  self.conv2 = conv(width, width, 3, stride)
  self.bn2 = BatchNorm2d(width)
  self.conv3 = conv(width, 4 * width, 1, 1)
  self.bn3 = BatchNorm2d(4 * width)
  self.downsample = downsample(channels, 4 * width, stride)
end

function Bottleneck:forward(x)
  local v = fused.conv(self.conv1, x, self.bn1, "relu")
  v = fused.conv(self.conv2, v, self.bn2, "relu")
  v = fused.conv(self.conv3, v, self.bn3, "relu")
  return fused.value(v, shortcut(self, x))
end

---ResNet. model(x): N x channels x H x W -> N x classes. A grey image is repeated if the model takes three
---channels.
---Parts, for encoders: model:level(k, x) is one of five levels, each of what the one before gave: 1 conv1,
---bn1, ReLU (/2); 2 max-pool, layer1 (/4); 3, 4, 5 layer2 to layer4 (/8, /16, /32). model:taps(x) is the list
---of all five; model.widths are their channels.
---Raises: "ResNet: ..." for unknown options and sizes below 1.
---@class rille.ResNet: rille.Module
local ResNet = nn.Module:extend("ResNet")

local defaults = { layers = check.none, block = check.none, classes = 1000, channels = 3, width = 64,
  zero_init_residual = false }
local BLOCKS = { basic = Basic, bottleneck = Bottleneck }

local function layer(Block, count, channels, width, stride)
  local list = nn.Sequential()
  for k = 1, count do
    list:append(Block(k == 1 and channels or width * Block.expansion, width, k == 1 and stride or 1))
  end
  return list
end

---@param opts table block ("basic" or "bottleneck"), layers (blocks of each of the four), classes 1000
---  (false: no last layer, model(x) is the means of layer4's maps, N x channels), channels 3, width 64 (of
---  layer1), zero_init_residual false (true: each block starts as its shortcut, arXiv:1706.02677)
function ResNet:init(opts)
  local o = check.options("ResNet", opts, defaults)
  check.word("ResNet", "block", o.block, { "basic", "bottleneck" })
  if type(o.layers) ~= "table" or #o.layers ~= 4 then
    error("ResNet: layers lists the number of blocks of each of the four layers", 3)
  end
  for _, key in ipairs { "channels", "width" } do check.integer("ResNet", key, o[key], 1) end
  if o.classes then check.integer("ResNet", "classes", o.classes, 1) end
  local Block, from = BLOCKS[o.block], o.width
  nn.init.skip(function()
    self.conv1 = Conv2d(o.channels, from, 7, { stride = 2, padding = 3, bias = false })
    self.bn1 = BatchNorm2d(from)
    rawset(self, "widths", { from })
    for k, count in ipairs(o.layers) do
      local width = o.width << (k - 1)
      self["layer" .. k] = layer(Block, count, from, width, k == 1 and 1 or 2)
      from = width * Block.expansion
      self.widths[k + 1] = from
    end
  end)
  if o.classes then self.fc = nn.Linear(from, o.classes) end
  rawset(self, "_channels", o.channels)
  -- as the reference implementation starts
  for _, p in ipairs(self:parameters()) do
    if #p.shape == 4 then nn.init.kaiming_normal_(p, { mode = "fan_out", nonlinearity = "relu" }) end
  end
  check.boolean("ResNet", "zero_init_residual", o.zero_init_residual)
  for _, m in ipairs(o.zero_init_residual and self:named_modules() or {}) do
    local last = m.module.bn3 or m.module.bn2
    if last then nn.init.zeros_(last.weight) end
  end
end

---@param k integer 1 to 5
---@param x rille.Tensor what level k - 1 gave; for k = 1 the image
---@return rille.Tensor
function ResNet:level(k, x)
  if k > 1 then
    if k == 2 then x = core.max_pool2d(x, 3, { stride = 2, padding = 1 }) end
    return self["layer" .. k - 1](x)
  end
  if self._channels == 3 and x.shape[2] == 1 then x = x:expand { -1, 3, -1, -1 } end
  return fused.value(fused.conv(self.conv1, x, self.bn1, "relu"))
end

---@param x rille.Tensor
---@return rille.Tensor[] maps of the five levels
function ResNet:taps(x)
  local guard <close> = core.enter(self._segment or "") -- luacheck: ignore guard
  local maps = {}
  for k = 1, 5 do
    x = self:level(k, x)
    maps[k] = x
  end
  return maps
end

---From the last level's maps to the logits; without a last layer, to their means.
---@param x rille.Tensor
---@return rille.Tensor
function ResNet:head(x)
  local pooled = core.mean(x, { -2, -1 })
  return self.fc and self.fc(pooled) or pooled
end

function ResNet:forward(x)
  for k = 1, 5 do x = self:level(k, x) end
  return self:head(x)
end

---A last layer of another size is left out, with a message in report.skipped.
function ResNet:adapt_state(state, prefix, report)
  if self.fc then return other_head(self.fc, state, prefix .. "fc", report) end
  state[prefix .. "fc.weight"], state[prefix .. "fc.bias"] = nil, nil -- a checkpoint's last layer is left out
end

local function sized(block, layers)
  return function(opts)
    local o = { block = block, layers = layers }
    for key, value in pairs(opts or {}) do o[key] = value end
    return ResNet(o)
  end
end

return {
  ResNet = ResNet,
  resnet18 = sized("basic", { 2, 2, 2, 2 }),
  resnet34 = sized("basic", { 3, 4, 6, 3 }),
  resnet50 = sized("bottleneck", { 3, 4, 6, 3 }),
  resnet101 = sized("bottleneck", { 3, 4, 23, 3 }),
}
