-- What does the staged system reach as its code was released, which differs from its paper in two places?
-- Qiu, Rivaz, Xiao, arXiv:2403.16970 and the code released with it: distances of the triplet loss run along
-- the width of the map, and batch norms of frozen parts normalise by the batch and go on moving.
-- rille run cooperative_released
local rl = require "rille"

local R = rl.recipe "cooperative"

-- Three lists of images: every image is an anchor once, with the next one of its class in the batch and the
-- next one of another class. Which triplets the released code took is not on record; these are our choice.
local function triplets(labels)
  local n, list = #labels, { {}, {}, {} }
  for a = 1, n do
    local same, other
    for step = 1, n - 1 do
      local k = (a + step - 1) % n + 1
      if labels[k] == labels[a] then same = same or k else other = other or k end
    end
    if same and other then
      for i, k in ipairs { a, same, other } do table.insert(list[i], k) end
    end
  end
  return list
end

-- d[c, h] = |a[c, h, :] - b[c, h, :] + 1e-6|; the mean over c and h of max(0, margin + d(a, p) - d(a, n)),
-- summed over the triplets.
function R.losses.triplet(y, batch, _, o)
  local list, width = triplets(batch.label:tolist()), y.F4.shape[4]
  if #list[1] == 0 then return y.F4:sum() * 0 end
  for i = 1, 3 do
    local index = rl.tensor(list[i], { dtype = "i64" })
    list[i] = y.F4:index_select(index, 1):reshape { -1, width }
  end
  local rows = y.F4.shape[2] * y.F4.shape[3]
  return rl.triplet_margin_loss(list[1], list[2], list[3], { margin = o.margin, reduction = "sum" }) / rows
end

local stages = R.stages
function R.stages(o)
  local list = stages(o)
  for _, s in ipairs(list) do s.frozen_norms = "moving" end
  return list
end

return R
