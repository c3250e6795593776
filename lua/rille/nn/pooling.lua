-- Pooling layers: MaxPool2d, AvgPool2d, AdaptiveAvgPool2d. N x C x H x W -> N x C x H' x W'.

local core = require "rille.core"
local check = require "rille.util.check"
local Module = require "rille.nn.module"

local function pair_text(p) return p[1] == p[2] and tostring(p[1]) or p[1] .. "x" .. p[2] end

local function windowed(name, defaults)
  local Pool = Module:extend(name)

  ---@param kernel_size integer|integer[]
  ---@param opts? table stride (default: kernel_size), padding, and the op's own
  function Pool:init(kernel_size, opts)
    local o = check.options(name, opts, defaults)
    rawset(self, "_kernel", check.pair(name, "kernel_size", kernel_size, 1))
    o.stride = check.pair(name, "stride", o.stride or kernel_size, 1)
    o.padding = check.pair(name, "padding", o.padding, 0)
    rawset(self, "_call", o)
  end

  function Pool:describe() return pair_text(self._kernel) .. ", stride " .. pair_text(self._call.stride) end

  Pool.keeps_nothing = true
  return Pool
end

---Largest value of each window.
local MaxPool2d = windowed("MaxPool2d", { stride = check.none, padding = 0 })

function MaxPool2d:forward(x) return (core.max_pool2d(x, self._kernel, self._call)) end

---Mean of each window; count_include_pad: zeros of the padding count as elements.
local AvgPool2d = windowed("AvgPool2d", { stride = check.none, padding = 0, count_include_pad = true })

AvgPool2d.fusable = "pool"

-- Whether fewer pixels come out, each the mean of pixels alone, without zeros of a padding.
function AvgPool2d:shrinks()
  local c = self._call
  return c.stride[1] * c.stride[2] > 1 and c.padding[1] == 0 and c.padding[2] == 0
end

function AvgPool2d:forward(x) return core.avg_pool2d(x, self._kernel, self._call) end

---Mean over windows that tile the image into output_size parts; 1: global average pooling.
local AdaptiveAvgPool2d = Module:extend("AdaptiveAvgPool2d")

---@param output_size integer|integer[]
function AdaptiveAvgPool2d:init(output_size)
  rawset(self, "_size", check.pair("AdaptiveAvgPool2d", "output_size", output_size, 1))
end

function AdaptiveAvgPool2d:forward(x) return core.adaptive_avg_pool2d(x, self._size) end

-- As far as is known without the input: it is for making maps small.
function AdaptiveAvgPool2d:shrinks() return self._size[1] * self._size[2] <= 16 end

function AdaptiveAvgPool2d:describe() return pair_text(self._size) end

AdaptiveAvgPool2d.keeps_nothing, AdaptiveAvgPool2d.fusable = true, "pool"

return { MaxPool2d = MaxPool2d, AvgPool2d = AvgPool2d, AdaptiveAvgPool2d = AdaptiveAvgPool2d }
