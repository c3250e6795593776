-- How tasks may share a body: one for all, one each with exchange, a mixture of several, or one with
-- attention per task. Each gives one map of features per task, N x C x H/4 x W/4, the list as long as
-- `tasks`.

local nn = require "rille.nn"
local rl = require "rille"

local sharing = {}

local function conv(channels, out, kernel)
  local o = { padding = kernel // 2 }
  return nn.Sequential(nn.Conv2d(channels, out, kernel, o), nn.BatchNorm2d(out), nn.ReLU())
end

-- One level of a body: two 3x3 convolutions; the first two levels halve the map.
local function level(channels, out, k)
  local m = nn.Sequential(conv(channels, out, 3), conv(out, out, 3))
  if k <= 2 then m:append(nn.MaxPool2d(2)) end
  return m
end

local function body(o)
  local m, channels = nn.Sequential(), o.channels
  for k, width in ipairs(o.widths) do
    m:append(level(channels, width, k))
    channels = width
  end
  return m
end

---One body for all tasks. Options of all: { channels, widths, tasks }.
---@class rille.HardSharing: rille.Module
local HardSharing = nn.Module:extend("HardSharing")

function HardSharing:init(o) self.body, self.tasks = body(o), o.tasks end

---@return rille.Tensor[] the same map for each task
function HardSharing:forward(x)
  local out, z = {}, self.body(x)
  for t = 1, self.tasks do out[t] = z end
  return out
end

---A body per task; behind each level every task takes a learnt mixture of all: 0.9 of its own at first.
---Source: Misra et al. 2016, arXiv:1604.03539 (one number per pair of tasks).
---@class rille.CrossStitch: rille.Module
local CrossStitch = nn.Module:extend("CrossStitch")

function CrossStitch:init(o)
  self.levels, self.tasks = nn.ModuleList(), o.tasks
  local channels, other = o.channels, 0.1 / math.max(1, o.tasks - 1)
  for k, width in ipairs(o.widths) do
    for _ = 1, o.tasks do self.levels:append(level(channels, width, k)) end
    self["stitch" .. k] = (rl.eye(o.tasks) * (0.9 - other) + other):requires_grad_()
    channels = width
  end
  self.depth = #o.widths
end

function CrossStitch:forward(x)
  local now = {}
  for t = 1, self.tasks do now[t] = x end
  for k = 1, self.depth do
    local own, mixed, a = {}, {}, self["stitch" .. k]
    for t = 1, self.tasks do own[t] = self.levels[(k - 1) * self.tasks + t](now[t]) end
    for t = 1, self.tasks do
      for s = 1, self.tasks do
        local part = own[s] * a:narrow(1, t, 1):narrow(2, s, 1):reshape { 1, 1, 1, 1 }
        mixed[t] = mixed[t] and mixed[t] + part or part
      end
    end
    now = mixed
  end
  return now
end

---Several bodies, the experts; each task mixes them by a soft-max of the image's mean over a small stem.
---Source: Ma et al., KDD 2018. Option experts: default 3.
---@class rille.MMoE: rille.Module
local MMoE = nn.Module:extend("MMoE")

function MMoE:init(o)
  self.experts, self.gates = nn.ModuleList(), nn.ModuleList()
  self.stem = conv(o.channels, o.widths[1], 3)
  for _ = 1, o.experts or 3 do self.experts:append(body(o)) end
  for _ = 1, o.tasks do self.gates:append(nn.Linear(o.widths[1], o.experts or 3)) end
end

function MMoE:forward(x)
  local seen, made, out = self.stem(x):mean { -2, -1 }, {}, {}
  for e, m in ipairs(self.experts) do made[e] = m(x) end
  for t, gate in ipairs(self.gates) do
    local share = rl.softmax(gate(seen), -1)
    for e, z in ipairs(made) do
      local part = z * share:narrow(2, e, 1):reshape { -1, 1, 1, 1 }
      out[t] = out[t] and out[t] + part or part
    end
  end
  return out
end

---One body; each task attends to its maps, level by level: a mask in 0..1 from the level's first convolution
---and the task's own features so far weighs its second.
---Source: Liu, Johns, Davison 2019, arXiv:1803.10704.
---@class rille.MTAN: rille.Module
local MTAN = nn.Module:extend("MTAN")

function MTAN:init(o)
  self.first, self.second = nn.ModuleList(), nn.ModuleList()
  self.masks, self.takes = nn.ModuleList(), nn.ModuleList()
  self.tasks, self.depth = o.tasks, #o.widths
  local channels = o.channels
  for k, width in ipairs(o.widths) do
    self.first:append(conv(channels, width, 3))
    self.second:append(conv(width, width, 3))
    for _ = 1, o.tasks do
      self.masks:append(nn.Sequential(conv(k == 1 and width or width + channels, width, 1),
        nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.Sigmoid()))
      self.takes:append(conv(width, width, 3))
    end
    channels = width
  end
end

function MTAN:forward(x)
  local now, z = {}, x
  for k = 1, self.depth do
    local u = self.first[k](z)
    local p = self.second[k](u)
    for t = 1, self.tasks do
      local at = (k - 1) * self.tasks + t
      local mask = self.masks[at](now[t] and rl.cat({ u, now[t] }, 2) or u)
      local h = self.takes[at](mask * p)
      now[t] = k <= 2 and rl.max_pool2d(h, { kernel_size = 2 }) or h
    end
    z = k <= 2 and rl.max_pool2d(p, { kernel_size = 2 }) or p
  end
  return now
end

sharing.HardSharing, sharing.CrossStitch, sharing.MMoE, sharing.MTAN = HardSharing, CrossStitch, MMoE, MTAN
return sharing
