-- nn.functional: the ops under the names PyTorch keeps them, and losses that need more than one op.

local core = require "rille.core"

local F = {}

-- Distances between one anchor's map and every map of the batch, along the width axis alone: B x C x H.
local function width_distances(x, a)
  local d = x:narrow(1, a, 1) - x + 1e-6
  return core.sqrt((d * d):sum(-1))
end

local function places_of(labels, a)
  local same, other = {}, {}
  for i, label in ipairs(labels) do
    if label ~= labels[a] then
      other[#other + 1] = i
    elseif i ~= a then
      same[#same + 1] = i
    end
  end
  return same, other
end

local function picked(d, places, shape)
  local list = core.tensor(places, { dtype = "i64" })
  return d:index_select(list, 1):reshape(shape)
end

---The triplet loss of the released code of arXiv:2403.16970, whose distances run along the width axis only:
---d[c, h] = sqrt(sum_w (a - b + 1e-6)^2), l = mean over c, h of max(0, margin + d_positive - d_negative),
---summed over all (anchor, positive of its class, negative of another class). The default loss of the recipe
---is another one, on pooled features.
---Shape:  x N x C x H x W, labels N (i64) -> scalar; 0 if the batch has no triplet.
---@param x rille.Tensor
---@param labels rille.Tensor
---@param opts? { margin: number } default 1
---@return rille.Tensor loss
function F.released_triplet_loss(x, labels, opts)
  local margin, loss = opts and opts.margin or 1, nil
  local shape, classes = x.shape, labels:tolist()
  if #shape ~= 4 then error("released_triplet_loss: takes maps, N x C x H x W", 2) end
  if #classes ~= shape[1] then error("released_triplet_loss: one label per map, please", 2) end
  for a = 1, shape[1] do
    local same, other = places_of(classes, a)
    if #same > 0 and #other > 0 then
      local d = width_distances(x, a)
      local positive = picked(d, same, { #same, 1, shape[2] * shape[3] })
      local negative = picked(d, other, { 1, #other, shape[2] * shape[3] })
      local l = core.relu(positive - negative + margin):sum() * (1 / (shape[2] * shape[3]))
      loss = loss and loss + l or l
    end
  end
  return loss or (x * 0):sum()
end

for _, part in ipairs { "mask_losses", "adversarial_losses", "vicreg" } do
  for name, f in pairs(require("rille.nn." .. part)) do F[name] = f end
end

return setmetatable(F, {
  __index = function(_, name) return core[name] end,
})
