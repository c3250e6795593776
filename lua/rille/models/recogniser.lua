-- The recogniser of task-driven enhancement (arXiv:2501.01114, arXiv:1910.09185): a ResNet that names the
-- class of an image in [0, 1], or a U-Net on one that draws its mask; its loss, and what it says.

local cam = require "rille.cam"
local core = require "rille.core"
local check = require "rille.util.check"
local nn = require "rille.nn"
local models = require "rille.models"

local MEAN, STD = { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 } -- of ImageNet's images, red, green, blue

local function per_channel(list, x) return core.tensor(list, { dtype = x.dtype }):reshape { 1, 3, 1, 1 } end

local NETS = {
  classify = function(o)
    local make = ({ [18] = models.resnet18, [34] = models.resnet34, [50] = models.resnet50,
      [101] = models.resnet101 })[o.depth]
    local wrong = "Recogniser: depth = %s; it is 18, 34, 50 or 101"
    if not make then error(wrong:format(tostring(o.depth)), 4) end
    return make { classes = o.classes, width = o.width }
  end,
  segment = function(o) return models.ResNetUNet { depth = o.depth, width = o.width } end,
}

---Shape: N x 3 x H x W of [0, 1] (one grey channel stands for three), normalised by ImageNet's mean and
---       deviation -> logits: task "classify" N x classes, "segment" N x 1 x H x W (multiples of 32).
---Parts: net, a ResNet or a ResNetUNet.
---@class rille.Recogniser: rille.Module
local Recogniser = nn.Module:extend("Recogniser")

---@param opts { task: string, depth: integer, width: integer, classes: integer, net: rille.Module } default
---  depth 18, width 64 (of the first level), classes 2 (of classify); net: one of your own instead of them
function Recogniser:init(opts)
  local none = check.none
  local o = check.options("Recogniser", opts, { task = none, depth = 18, width = 64, classes = 2,
    net = none })
  check.word("Recogniser", "task", o.task, { "classify", "segment" })
  self.net = o.net or NETS[o.task](o)
  rawset(self, "task", o.task)
end

---@param x rille.Tensor N x 3 x H x W of [0, 1]
---@return rille.Tensor[] maps of the ResNet's five levels
function Recogniser:taps(x)
  local encoder = self.net.encoder or self.net
  return encoder:taps((x - per_channel(MEAN, x)) / per_channel(STD, x))
end

---From these maps to the logits: recogniser:answer(recogniser:taps(x)) is recogniser(x).
---@param maps rille.Tensor[]
---@return rille.Tensor
function Recogniser:answer(maps)
  return self.net.decode and self.net:decode(maps) or self.net:head(maps[5])
end

function Recogniser:forward(x) return self.net((x - per_channel(MEAN, x)) / per_channel(STD, x)) end

-- What is explained of logits: the classes given or named, or the mask drawn.
local function explained(self, maps, classes)
  local logits = core.no_grad(function() return self:answer(maps) end)
  return self.task == "segment" and logits:gt(0) or classes or logits:argmax(-1)
end

local function grad_cam(self, maps, of)
  local function head(last) return self:answer { maps[1], maps[2], maps[3], maps[4], last } end
  return cam.grad_cam(maps[5], head, of)
end

---Where it looks: Grad-CAM on the ResNet's last level, of the classes given or of the mask that it draws.
---@param x rille.Tensor N x 3 x H x W of [0, 1]
---@param classes? rille.Tensor i64 N; default: those it names itself
---@return rille.Tensor N x 1 x H x W of [0, 1]
function Recogniser:looks(x, classes)
  local maps = self:taps(x)
  return cam.picture(grad_cam(self, maps, explained(self, maps, classes)), x)
end

---Everything that tells where it looks, as pictures of [0, 1]: the class activation map (of a classifier that
---ends in a mean and a linear layer) and Grad-CAM, both of the ResNet's last level, N x 1 x H x W; and guided
---backpropagation, N x 3 x H x W, 0.5 where the slope is 0.
---@param x rille.Tensor N x 3 x H x W of [0, 1]
---@param classes? rille.Tensor i64 N; default: those it names itself
---@return { cam: rille.Tensor?, grad_cam: rille.Tensor, guided: rille.Tensor }
function Recogniser:explain(x, classes)
  local maps = self:taps(x)
  local of = explained(self, maps, classes)
  local slope = cam.guided(self, x, of)
  local most = slope:abs():reshape({ x.shape[1], -1 }):max({ dim = -1 }):reshape { -1, 1, 1, 1 }
  local last = self.task == "classify" and self.net.fc
  return { cam = last and cam.picture(cam.cam(maps[5], last.weight, of), x) or nil,
    grad_cam = cam.picture(grad_cam(self, maps, of), x),
    guided = slope / (most + most:eq(0):to(most.dtype)) * 0.5 + 0.5 }
end

---Cross-entropy with the batch's labels, or per pixel with its masks; images without one cost nothing.
---@param logits rille.Tensor
---@param batch table label; mask and has_mask
---@return rille.Tensor scalar
function Recogniser:loss(logits, batch)
  if self.task == "classify" then return core.cross_entropy(logits, batch.label, { ignore_index = 0 }) end
  return nn.functional.mask_cross_entropy(logits, batch.mask:to(logits.dtype), { has = batch.has_mask })
end

---Probabilities.
---@param logits rille.Tensor
---@return rille.Tensor
function Recogniser:says(logits)
  return self.task == "classify" and core.softmax(logits, -1) or core.sigmoid(logits)
end

---Logits of clean images, as a target for those of restored ones (eq. 3 of arXiv:2501.01114): without
---gradient, and by the running statistics, which stay as they are.
---@param x rille.Tensor
---@return rille.Tensor
function Recogniser:target(x)
  local was = {}
  self:apply(function(m) was[m] = rawget(m, "training") end)
  self:eval()
  local ok, y = pcall(core.no_grad, function() return self(x) end)
  for m, training in pairs(was) do rawset(m, "training", training) end
  if not ok then error(y, 0) end
  return y
end

---How undecided it is: the entropy of what it says (nats), mean over images and pixels; 0 where it has
---collapsed onto one answer.
---@param logits rille.Tensor
---@return rille.Tensor scalar
function Recogniser:entropy(logits)
  if self.task == "classify" then
    local ln = core.log_softmax(logits, -1)
    return -(core.exp(ln) * ln):sum() / logits.shape[1]
  end
  local p = core.sigmoid(logits)
  return core.binary_cross_entropy_with_logits(logits, p:detach())
end

---R.telemetry of a recipe in which output NAME holds the logits of model NAME: entropy_NAME, where a loss of
---the step has asked for them.
---@param y table outputs
---@param models_by_name table<string, rille.Module>
---@return table<string, number>
function Recogniser.telemetry(y, _, models_by_name)
  local out = {}
  for name, m in pairs(models_by_name) do
    local logits = m.entropy and rawget(y, name)
    if logits then out["entropy_" .. name] = m:entropy(logits:detach()):item() end
  end
  return out
end

return { Recogniser = Recogniser }
