-- DenseNet-121 and -201 (Huang et al. 2017, arXiv:1608.06993), with the parameter names of the common
-- ImageNet checkpoints. A dense layer is BN, ReLU, 1x1, BN, ReLU, 3x3; its maps are appended behind
-- its input.

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local other_head = require "rille.models.other_head"

local Conv2d, BatchNorm2d = nn.Conv2d, nn.BatchNorm2d

local DenseLayer = nn.Module:extend("DenseLayer")

function DenseLayer:init(channels, growth, bottleneck)
  local wide = bottleneck * growth
  self.norm1 = BatchNorm2d(channels)
  self.conv1 = Conv2d(channels, wide, 1, { bias = false })
  self.norm2 = BatchNorm2d(wide)
  self.conv2 = Conv2d(wide, growth, 3, { padding = 1, bias = false })
end

function DenseLayer:forward(x)
  local v = fused.conv(self.conv1, fused.norm(x, self.norm1, "relu"), self.norm2, "relu")
  return fused.value(fused.conv(self.conv2, v))
end

local DenseBlock = nn.Module:extend("DenseBlock")

function DenseBlock:init(layers, channels, o)
  rawset(self, "_layers", {})
  rawset(self, "_list", {})
  rawset(self, "_fused", o.fused)
  for l = 1, layers do
    local layer = DenseLayer(channels + (l - 1) * o.growth, o.growth, o.bottleneck)
    self["denselayer" .. l] = layer
    self._layers[l] = layer
  end
end

-- As written in the paper: every layer reads the concatenation of all before it.
function DenseBlock:plain(x)
  for _, layer in ipairs(self._layers) do x = core.cat({ x, layer(x) }, { dim = 2 }) end
  return x
end

-- What the op takes of all layers, ten tensors each; nil if something wants to look inside, or norms differ
-- in their mode. The list is kept and filled anew: between two blocks the other cores wait for this.
function DenseBlock:tensors()
  if not self._fused or fused.off then return nil end
  local layers, list, n = self._layers, self._list, 0
  local training = layers[1].norm1.training
  for l = 1, #layers do
    local layer = layers[l]
    local norm1, conv1, norm2, conv2 = layer.norm1, layer.conv1, layer.norm2, layer.conv2
    local looks_inside = layer._hooks or norm1._hooks or conv1._hooks or norm2._hooks or conv2._hooks
    if looks_inside or norm1.training ~= training or norm2.training ~= training then return nil end
    list[n + 1], list[n + 2], list[n + 3] = norm1.weight, norm1.bias, conv1.weight
    list[n + 4], list[n + 5], list[n + 6] = norm2.weight, norm2.bias, conv2.weight
    list[n + 7], list[n + 8] = norm1.running_mean, norm1.running_var
    list[n + 9], list[n + 10] = norm2.running_mean, norm2.running_var
    n = n + 10
  end
  return list, training
end

function DenseBlock:forward(x)
  local list, training = self:tensors()
  if not list then return self:plain(x) end
  if training then
    for _, layer in ipairs(self._layers) do
      layer.norm1:count_batch()
      layer.norm2:count_batch()
    end
  end
  return core.dense_block(x, list, { training = training })
end

local Transition = nn.Module:extend("Transition")

function Transition:init(channels, out)
  self.norm = BatchNorm2d(channels)
  self.conv = Conv2d(channels, out, 1, { bias = false })
end

-- The mean over 2x2 commutes with the 1x1 convolution; pooled first, the product is a quarter of the size.
function Transition:forward(x)
  return self.conv(core.avg_pool2d(fused.value(fused.norm(x, self.norm, "relu")), 2))
end

-- Everything before the classifier. Called as model:features(x) or model.features(x).
local Features = nn.Module:extend("DenseFeatures")

function Features:init(o)
  local width = o.initial
  self.conv0 = Conv2d(o.channels, width, 7, { stride = 2, padding = 3, bias = false })
  self.norm0 = BatchNorm2d(width)
  rawset(self, "_parts", {})
  for b, layers in ipairs(o.blocks) do
    self["denseblock" .. b] = DenseBlock(layers, width, o)
    self._parts[#self._parts + 1] = self["denseblock" .. b]
    width = width + layers * o.growth
    if b < #o.blocks then
      self["transition" .. b] = Transition(width, width // 2)
      self._parts[#self._parts + 1] = self["transition" .. b]
      width = width // 2
    end
  end
  self.norm5 = BatchNorm2d(width)
  rawset(self, "_width", width)
  rawset(self, "_channels", o.channels)
end

function Features:forward(x)
  if self._channels == 3 and x.shape[2] == 1 then x = x:expand { -1, 3, -1, -1 } end -- grey is repeated
  x = fused.value(fused.conv(self.conv0, x, self.norm0, "relu"))
  x = core.max_pool2d(x, 3, { stride = 2, padding = 1 })
  for _, part in ipairs(self._parts) do x = part(x) end
  return x
end

function Features:final(x)
  local guard <close> = core.enter("features") -- luacheck: ignore guard
  return fused.value(fused.norm(x, self.norm5, "relu"))
end

function Features:__call(owner, x)
  if x == nil then return nn.Module.__call(self, owner) end
  local guard <close> = core.enter(owner._segment or "") -- luacheck: ignore guard
  return nn.Module.__call(self, x)
end

---DenseNet. model(x): N x channels x H x W -> N x classes. model:features(x) -> F4, what the last dense block
---gives, before norm5; model:final(F4) -> F5 = relu(norm5(F4)), both N x model.width x H/32 x W/32. A grey
---image is repeated if the model takes three channels.
---Raises: "DenseNet: ..." for unknown options and sizes below 1.
---@class rille.DenseNet: rille.Module
local DenseNet = nn.Module:extend("DenseNet")

local defaults = {
  blocks = check.none, classes = 1000, channels = 3, growth = 32, initial = 64, bottleneck = 4,
  fused = true,
}

---@param opts table blocks (layers of each), classes 1000, channels 3, growth 32, initial 64, bottleneck 4,
---  fused true (one op per dense block; false: op by op, the same up to rounding)
function DenseNet:init(opts)
  local o = check.options("DenseNet", opts, defaults)
  if type(o.blocks) ~= "table" or #o.blocks == 0 then
    error("DenseNet: blocks lists the number of layers of each block", 3)
  end
  for _, key in ipairs { "classes", "channels", "growth", "initial", "bottleneck" } do
    check.integer("DenseNet", key, o[key], 1)
  end
  check.boolean("DenseNet", "fused", o.fused)
  self.features = nn.init.skip(Features, o)
  rawset(self, "width", self.features._width)
  self.classifier = nn.Linear(self.width, o.classes)
  -- as the reference implementation starts: He normal, no bias
  for _, p in ipairs(self.features:parameters()) do
    if #p.shape == 4 then nn.init.kaiming_normal_(p) end
  end
  nn.init.zeros_(self.classifier.bias)
end

function DenseNet:final(f4)
  local guard <close> = core.enter(self._segment or "") -- luacheck: ignore guard
  return self.features:final(f4)
end

function DenseNet:forward(x)
  local f4 = self.features(x)
  return self.classifier(core.mean(self.features:final(f4), { -2, -1 }))
end

-- norm.1 inside a layer is norm1 in newer files.
local function rename_old(state, prefix)
  local changes = {}
  for name in pairs(state) do
    if name:sub(1, #prefix) == prefix then
      local new, n = name:gsub("(denselayer%d+%.)(%a+)%.(%d)%.", "%1%2%3.")
      if n > 0 then changes[name] = new end
    end
  end
  for old, new in pairs(changes) do
    state[new], state[old] = state[old], nil
  end
end

---Older spellings are renamed; a classifier of another size is left out, with a message in report.skipped.
function DenseNet:adapt_state(state, prefix, report)
  rename_old(state, prefix)
  other_head(self.classifier, state, prefix .. "classifier", report)
end

local function sized(blocks)
  return function(opts)
    local o = { blocks = blocks }
    for key, value in pairs(opts or {}) do o[key] = value end
    return DenseNet(o)
  end
end

return {
  DenseNet = DenseNet,
  densenet121 = sized { 6, 12, 24, 16 },
  densenet201 = sized { 6, 12, 48, 32 },
}
