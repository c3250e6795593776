-- Batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167): by the batch in training mode, by running
-- means in evaluation mode.

local core = require "rille.core"
local check = require "rille.util.check"
local Module = require "rille.nn.module"

---Normalise each channel.
---
---Training: by mean and biased variance of the batch; running = (1 - momentum) running + momentum batch,
---where the running variance takes the unbiased one. momentum = false: the plain average over all
---batches seen.
---@class rille.BatchNorm: rille.Module
local BatchNorm = Module:extend("BatchNorm")

local defaults = { eps = 1e-5, momentum = 0.1, affine = true, track_running_stats = true }

---@param channels integer
---@param opts? { eps: number, momentum: number|false, affine: boolean, track_running_stats: boolean }
function BatchNorm:init(channels, opts)
  local who = self.class_name
  local o = check.options(who, opts, defaults)
  check.integer(who, "num_features", channels, 1)
  check.number(who, "eps", o.eps, 0)
  if o.momentum then check.number(who, "momentum", o.momentum, 0, 1) end
  rawset(self, "_channels", channels)
  rawset(self, "_momentum", o.momentum)
  rawset(self, "_batch", { training = true, momentum = o.momentum or 0, eps = o.eps })
  rawset(self, "_fixed", { training = false, momentum = o.momentum or 0, eps = o.eps })
  if o.affine then
    self.weight = core.ones({ channels }, { requires_grad = true })
    self.bias = core.zeros({ channels }, { requires_grad = true })
  end
  if not o.track_running_stats then return end
  self:register_buffer("running_mean", core.zeros { channels })
  self:register_buffer("running_var", core.ones { channels })
  self:register_buffer("num_batches_tracked", core.zeros({}, { dtype = "i64" }))
end

---The statistics' weight of this batch; counts the batch.
function BatchNorm:count_batch()
  self.num_batches_tracked:fill_(self.num_batches_tracked:item() + 1)
  if not self._momentum then self._batch.momentum = 1 / self.num_batches_tracked:item() end
end

---The options rl.batch_norm takes in the present mode. Counts the batch in training mode: call
---once per forward.
---@return table options
function BatchNorm:options()
  if not self.running_mean then return self._batch end
  if not self.training then return self._fixed end
  self:count_batch()
  return self._batch
end

function BatchNorm:forward(x)
  local rank = #x.shape
  if not self.ranks[rank] then
    error(("%s: the input is %s; it takes %s"):format(self.class_name, check.shape_text(x), self.takes), 3)
  end
  return core.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self:options())
end

---Files from before PyTorch 0.4.1 lack num_batches_tracked.
function BatchNorm:adapt_state(state, prefix, report)
  local name = prefix .. "num_batches_tracked"
  if self.num_batches_tracked and state[name] == nil then report.excused[name] = true end
end

function BatchNorm:describe() return tostring(self._channels) end

BatchNorm.keeps_nothing = true

---Shape: N x C x H x W -> the same.
local BatchNorm2d = BatchNorm:extend("BatchNorm2d")
BatchNorm2d.ranks, BatchNorm2d.takes = { [4] = true }, "N x C x H x W"
BatchNorm2d.fusable = "norm"

---Shape: N x C or N x C x L -> the same.
local BatchNorm1d = BatchNorm:extend("BatchNorm1d")
BatchNorm1d.ranks, BatchNorm1d.takes = { [2] = true, [3] = true }, "N x C or N x C x L"

return { BatchNorm2d = BatchNorm2d, BatchNorm1d = BatchNorm1d }
