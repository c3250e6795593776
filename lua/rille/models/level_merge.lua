-- The multi-level embedding of MLVICX (arXiv:2403.11504) up to its projector: all levels' maps brought to one
-- size, to one number of channels, summed, and averaged over a few cells.

local core = require "rille.core"
local check = require "rille.util.check"
local nn = require "rille.nn"

-- One axis of "bilinear to `side`, then the means of side / cells neighbours": cells x n. Bilinear without
-- aligned corners, pixel centres at one half.
local function axis(n, side, cells)
  local rows, share = {}, cells / side
  for c = 1, cells do
    rows[c] = {}
    for i = 1, n do rows[c][i] = 0 end
  end
  for j = 0, side - 1 do
    local at = math.max(0, (j + 0.5) * n / side - 0.5)
    local low = math.min(math.floor(at), n - 1)
    local high, part = math.min(low + 1, n - 1), at - low
    local row = rows[j * cells // side + 1]
    row[low + 1] = row[low + 1] + share * (1 - part)
    row[high + 1] = row[high + 1] + share * part
  end
  return rows
end

---merge(maps): a list of N x C_i x H_i x W_i -> N x (out cells cells).
---
---Each map is resized to side x side (bilinear), a 1x1 convolution takes it to `out` channels, the maps are
---summed, averaged to cells x cells and flattened. Resizing and averaging act per channel with weights that
---sum to 1, the convolution per pixel; so they change places: by default each map is brought to cells x cells
---by one fixed linear map per axis, and the sums run over cells x cells pixels alone. straight = true
---computes what is written above; the value is the same up to rounding.
---@class rille.LevelMerge: rille.Module
local LevelMerge = nn.Module:extend("LevelMerge")

---@param widths integer[] channels of the levels
---@param opts? { out: integer, side: integer, cells: integer, straight: boolean, levels: integer[] } default
---  512, 64, 4, false, all; side a multiple of cells; levels: those that are merged
function LevelMerge:init(widths, opts)
  local o = check.options("LevelMerge", opts, { out = 512, side = 64, cells = 4, straight = false,
    levels = check.none })
  for _, key in ipairs { "out", "side", "cells" } do check.integer("LevelMerge", key, o[key], 1) end
  check.boolean("LevelMerge", "straight", o.straight)
  if o.side % o.cells ~= 0 then error("LevelMerge: side must be a multiple of cells", 3) end
  for _, k in ipairs(o.levels or {}) do check.integer("LevelMerge", "levels", k, 1, #widths) end
  for k, channels in ipairs(widths) do
    local is_in = o.levels == nil
    for _, level in ipairs(o.levels or {}) do is_in = is_in or level == k end
    if is_in then self["conv" .. k] = nn.Conv2d(channels, o.out, 1) end
  end
  rawset(self, "_o", o)
  rawset(self, "_levels", #widths)
  rawset(self, "_axes", {})
end

-- The fixed map of an axis of n pixels, in a map's type; kept.
function LevelMerge:axis(n, dtype)
  local key = n .. dtype
  local o = self._o
  self._axes[key] = self._axes[key] or core.tensor(axis(n, o.side, o.cells), { dtype = dtype })
  return self._axes[key]
end

-- N x C x H x W -> N x C x cells x cells, without the map of side x side. Channels lie last, so that both
-- products run over rows as they lie.
local function shrink(self, x)
  local n, c, h, w = table.unpack(x.shape)
  local cells = self._o.cells
  local rows = x:permute { 1, 3, 4, 2 }:reshape { n, h, w * c }
  local low = self:axis(h, x.dtype):matmul(rows):reshape { n * cells, w, c }
  return self:axis(w, x.dtype):matmul(low):reshape { n, cells, cells, c }:permute { 1, 4, 2, 3 }
end

-- The sum of the levels' convolutions as one of all their channels: conv(a) + conv(b) = conv(cat(a, b)). Each
-- resized map is written where it belongs among them.
local function straight(self, maps)
  local o, levels, weights, bias = self._o, {}, {}, nil
  for k = 1, self._levels do
    local conv = self["conv" .. k]
    if conv then
      levels[#levels + 1], weights[#weights + 1] = maps[k], conv.weight
      bias = bias and bias + conv.bias or conv.bias
    end
  end
  local large = core.interpolate_cat(levels, { size = { o.side, o.side }, mode = "bilinear" })
  return core.adaptive_avg_pool2d(core.conv2d(large, core.cat(weights, { dim = 2 }), bias), o.cells)
end

local function rewritten(self, maps)
  local sum
  for k = 1, self._levels do
    local conv = self["conv" .. k]
    if conv then
      local small = conv(shrink(self, maps[k]))
      sum = sum and sum + small or small
    end
  end
  return sum
end

function LevelMerge:forward(maps)
  if type(maps) ~= "table" or #maps ~= self._levels then
    error(("LevelMerge: takes the list of %d maps"):format(self._levels), 3)
  end
  return (self._o.straight and straight or rewritten)(self, maps):flatten(2, -1)
end

return { LevelMerge = LevelMerge }
