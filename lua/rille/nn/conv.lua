-- Conv2d: a layer that keeps weight and bias for rl.conv2d.

local core = require "rille.core"
local check = require "rille.util.check"
local init = require "rille.nn.initial"
local Module = require "rille.nn.module"

---2-d convolution.
---
---Shape:  N x in_channels x H x W -> N x out_channels x H' x W',
---        H' = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1.
---Start:  weight (O, I / groups, kH, kW) and bias uniform in +-1 / sqrt(fan_in), as in PyTorch.
---Raises: "Conv2d: ..." for sizes out of range and unknown options.
---@class rille.Conv2d: rille.Module
local Conv2d = Module:extend("Conv2d")

local defaults = { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true }

---@param in_channels integer
---@param out_channels integer
---@param kernel_size integer|integer[]
---@param opts? { stride: integer, padding: integer, dilation: integer, groups: integer, bias: boolean }
function Conv2d:init(in_channels, out_channels, kernel_size, opts)
  local o = check.options("Conv2d", opts, defaults)
  local i = check.integer("Conv2d", "in_channels", in_channels, 1)
  local n = check.integer("Conv2d", "out_channels", out_channels, 1)
  local k = check.pair("Conv2d", "kernel_size", kernel_size, 1)
  local groups = check.integer("Conv2d", "groups", o.groups, 1)
  check.boolean("Conv2d", "bias", o.bias)
  if i % groups ~= 0 or n % groups ~= 0 then
    error(("Conv2d: groups = %d divides neither or only one of %d and %d channels"):format(groups, i, n), 3)
  end
  rawset(self, "_call", {
    stride = check.pair("Conv2d", "stride", o.stride, 1),
    padding = check.pair("Conv2d", "padding", o.padding, 0),
    dilation = check.pair("Conv2d", "dilation", o.dilation, 1), groups = groups,
  })
  rawset(self, "_kernel", k)
  local bound = 1 / (i // groups * k[1] * k[2]) ^ 0.5
  self.weight = init.parameter({ n, i // groups, k[1], k[2] }, bound)
  if o.bias then self.bias = init.parameter({ n }, bound) end
end

function Conv2d:forward(x) return core.conv2d(x, self.weight, self.bias, self._call) end

---Whether each pixel is treated alone: 1x1, stride 1, no padding.
---@return boolean
function Conv2d:is_pointwise()
  local k, c = self._kernel, self._call
  return k[1] == 1 and k[2] == 1 and c.stride[1] == 1 and c.stride[2] == 1 and c.padding[1] == 0
    and c.padding[2] == 0
end

local function side(pair) return pair[1] == pair[2] and tostring(pair[1]) or pair[1] .. "x" .. pair[2] end

function Conv2d:describe()
  local w, c = self.weight.shape, self._call
  local text = ("%d, %d, %s"):format(w[2] * c.groups, w[1], side(self._kernel))
  if side(c.stride) ~= "1" then text = text .. ", stride " .. side(c.stride) end
  if side(c.padding) ~= "0" then text = text .. ", padding " .. side(c.padding) end
  if side(c.dilation) ~= "1" then text = text .. ", dilation " .. side(c.dilation) end
  if c.groups ~= 1 then text = text .. ", groups " .. c.groups end
  return text
end

Conv2d.keeps_nothing, Conv2d.fusable = true, "conv"

return { Conv2d = Conv2d }
