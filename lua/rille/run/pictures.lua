-- The best, the median and the worst saliency map of a split: the X-ray, the gaze on it, ours on it. And
-- maps as pictures for rille predict.
local core = require "rille.core"
local files = require "rille.util.files"
local io_ = require "rille.core".io
local json = require "rille.util.json"
local rl = require "rille"

local pictures = {}

-- A picture scaled to 0..1 from a tensor 1 x H x W.
local function stretched(x)
  local lo, hi = x:min():item(), x:max():item()
  return (x - lo) / math.max(hi - lo, 1e-12)
end

---Grey picture with a map over it: from the grey values through orange to yellow where the map is high.
---@param image rille.Tensor 1 x H x W
---@param map rille.Tensor 1 x H x W, any scale
---@return rille.Tensor 3 x H x W in 0..1
function pictures.overlay(image, map)
  local grey, heat = stretched(image:to("f32")), stretched(map:to("f32"))
  local a = heat * 0.75
  local under = grey * (1 - a)
  return rl.cat({ under + a, under + a * heat * 0.85, under + a * 0.1 }, 1):clamp({ min = 0, max = 1 })
end

local function write(path, x)
  local ok, why = io_.write_png(path, x)
  if not ok then error(why, 0) end
end

---@param image rille.Tensor C x H x W
---@return rille.Tensor 1 x H x W
function pictures.grey(image)
  if image.shape[1] == 1 then return image end
  return image:mean { dim = { 1 }, keepdim = true }
end

---Which rows to show: the best, the median and the worst by CC.
---@param rows table[]
---@return { role: string, row: integer }[]
function pictures.choose(rows)
  local order = {}
  for i, row in ipairs(rows) do
    if row.cc and row.cc == row.cc then order[#order + 1] = i end
  end
  table.sort(order, function(a, b)
    if rows[a].cc ~= rows[b].cc then return rows[a].cc > rows[b].cc end
    return a < b
  end)
  if #order == 0 then return {} end
  return { { role = "best", row = order[1] }, { role = "median", row = order[(#order + 1) // 2] },
    { role = "worst", row = order[#order] } }
end

local function panels(dir, role, image, gaze, density)
  local out, parts = {}, { { "X-ray", stretched(image) }, { "gaze", pictures.overlay(image, gaze) },
    { "ours", pictures.overlay(image, density) } }
  for k, part in ipairs(parts) do
    local name = ("pictures/%s-%d.png"):format(role, k)
    write(dir .. "/" .. name, part[2])
    out[k] = { label = part[1], png = name }
  end
  return out
end

---Write the pictures of a run and their index.
---@param run table
---@param split string
---@param rows table[] with cc, in the split's order
---@param outputs fun(batch: table): table
function pictures.write(run, split, rows, outputs)
  local chosen, index = pictures.choose(rows), {}
  if #chosen == 0 then return end
  files.make_folder(run.dir .. "/pictures")
  local name, at = run.recipe.table.report.saliency, 0
  core.no_grad(function()
    for batch in run.feed:fixed(split, run.batch_size) do
      local n = batch.image.shape[1]
      local density
      for k, c in ipairs(chosen) do
        local i = c.row - at
        if i >= 1 and i <= n then
          density = density or rl.metrics.density(outputs(batch)[name])
          local row = rows[c.row]
          index[k] = { title = ("%s: CC %.3f"):format(c.role, row.cc), role = c.role, file = row.file,
            label = run.feed.classes[row.label],
            predicted = run.feed.classes[row.predicted],
            panels = panels(run.dir, c.role, pictures.grey(batch.image[i]), batch.saliency[i], density[i]) }
        end
      end
      at = at + n
    end
  end)
  files.write(run.dir .. "/pictures/index.json", json.encode(index) .. "\n")
end

return pictures
