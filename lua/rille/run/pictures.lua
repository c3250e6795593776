-- The best, the median and the worst image of a split for each kind of output that can be looked at: gaze
-- maps laid over the image, outlines of masks, restored images beside their originals.
local build = require "rille.run.build"
local core = require "rille.core"
local files = require "rille.util.files"
local io_ = require "rille.core".io
local json = require "rille.util.json"
local kinds = require "rille.run.kinds"
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

-- Pixels of a mask, 1 x H x W, with a neighbour that is not of it.
local function outline(mask)
  local m = mask:to("f32")
  local out = rl.max_pool2d((1 - m):unsqueeze(1), 3, { stride = 1, padding = 1 })[1]
  return m * out
end

local COLOURS = { truth = { 0.2, 0.65, 1 }, ours = { 1, 0.6, 0 } } -- blue, orange

---Grey picture with the outline of a mask over it.
---@param image rille.Tensor C x H x W in 0..1
---@param mask rille.Tensor 1 x H x W, 0 and 1
---@param who "truth"|"ours" blue or orange
---@return rille.Tensor 3 x H x W in 0..1
function pictures.outlined(image, mask, who)
  local line, parts = outline(mask), {}
  for c, v in ipairs(COLOURS[who]) do
    local under = image[{ { math.min(c, image.shape[1]), math.min(c, image.shape[1]) } }]
    parts[c] = under * (1 - line) + line * v
  end
  return rl.cat(parts, 1)
end

---A picture with a box in it, and under it what the box holds, as wide as the picture.
---@param image rille.Tensor C x H x W in 0..1
---@param x integer column of the box's left edge, from 1
---@param y integer row of its upper edge
---@param side integer pixels
---@return rille.Tensor 3 x (H + W) x W in 0..1
function pictures.zoomed(image, x, y, side)
  local width = image.shape[3]
  local box = rl.zeros { 1, image.shape[2], width }
  box[{ {}, { y, y + side - 1 }, { x, x + side - 1 } }]:fill_(1)
  local inside = image[{ {}, { y, y + side - 1 }, { x, x + side - 1 } }]:unsqueeze(1)
  local large = rl.interpolate(inside, { size = { width, width }, mode = "nearest" })[1]
  if large.shape[1] == 1 then large = rl.cat({ large, large, large }, 1) end
  return rl.cat({ pictures.outlined(image, box, "ours"), large }, 2)
end

---Write a picture.
---
---Raises: when it cannot be written.
---@param path string
---@param x rille.Tensor C x H x W in 0..1
function pictures.save(path, x)
  local ok, why = io_.write_png(path, x)
  if not ok then error(why, 0) end
end

---@param image rille.Tensor C x H x W
---@return rille.Tensor 1 x H x W
function pictures.grey(image)
  if image.shape[1] == 1 then return image end
  return image:mean { dim = { 1 }, keepdim = true }
end

---Which rows to show: the best, the median and the worst by a score.
---@param rows table[]
---@param key? string default "cc"
---@return { role: string, row: integer }[]
function pictures.choose(rows, key)
  local order = {}
  key = key or "cc"
  for i, row in ipairs(rows) do
    if row[key] and row[key] == row[key] then order[#order + 1] = i end
  end
  table.sort(order, function(a, b)
    if rows[a][key] ~= rows[b][key] then return rows[a][key] > rows[b][key] end
    return a < b
  end)
  if #order == 0 then return {} end
  return { { role = "best", row = order[1] }, { role = "median", row = order[(#order + 1) // 2] },
    { role = "worst", row = order[#order] } }
end

local function clamped(x) return x:to("f32"):clamp({ min = 0, max = 1 }) end

-- By kind: the score that chooses, its name, and the panels of image i of a batch.
local SHOWS = {
  saliency = { key = "cc", name = "CC", panels = function(y, batch, i, spec)
    local image = pictures.grey(batch.image[i])
    return { { "image", stretched(image) }, { "gaze", pictures.overlay(image, batch.saliency[i]) },
      { "ours", pictures.overlay(image, rl.metrics.density(y[kinds.output(spec)])[i]) } }
  end },
  segment = { key = "dice", name = "Dice", panels = function(y, batch, i, spec)
    local image, ours = stretched(batch.image[i]), kinds.foreground(y[kinds.output(spec)])[i]
    local truth = pictures.outlined(image, batch.mask[i], "truth")
    local out = { { "image", image }, { "mask", truth }, { "ours over the mask",
      pictures.outlined(truth, ours, "ours") } }
    for k, a in ipairs(type(spec) == "table" and spec.attention and y[spec.attention] or {}) do
      local size = { image.shape[2], image.shape[3] }
      local map = rl.interpolate(a:narrow(1, i, 1), { size = size, mode = "nearest" })[1]
      out[#out + 1] = { ("gate %d"):format(k), pictures.overlay(pictures.grey(image), map) }
    end
    return out
  end },
  restore = { key = "psnr", name = "PSNR", seen = "restored", panels = function(y, batch, i, spec)
    local from = type(spec) == "table" and spec.from
    local out = { { "restored", clamped(y[kinds.output(spec)][i]) },
      { "original", clamped(kinds.truth(spec, y, batch)[i]) } }
    if from then table.insert(out, 1, { "given", clamped(y[from][i]) }) end
    return out
  end },
}

local function write_panels(dir, stem, panels)
  local out = {}
  for k, panel in ipairs(panels) do
    local name = ("pictures/%s-%d.png"):format(stem, k)
    pictures.save(dir .. "/" .. name, panel[2])
    out[k] = { label = panel[1], png = name }
  end
  return out
end

-- What is to be shown: { kind, role, row, show }, in order.
local function all_chosen(report, rows)
  local out = {}
  for _, kind in ipairs(kinds.ALL) do
    local show = report[kind] and SHOWS[kind]
    for _, c in ipairs(show and pictures.choose(rows, show.key) or {}) do
      out[#out + 1] = { kind = kind, role = c.role, row = c.row, show = show }
    end
  end
  return out
end

-- Where the run's recognisers (models that `explain`) look in the picture of that label.
local function put_looks(panels, run, label)
  local image
  for _, p in ipairs(panels) do image = p[1] == label and p[2] or image end
  for _, name in ipairs(build.sorted_names(run.models)) do
    local m = run.models[name]
    local by = m.explain and m:explain(image:unsqueeze(1)) or {}
    for _, one in ipairs { { "cam", "CAM" }, { "grad_cam", "Grad-CAM" } } do
      local map = by[one[1]]
      panels[#panels + 1] = map and { name .. ": " .. one[2], pictures.overlay(pictures.grey(image), map[1]) }
    end
    panels[#panels + 1] = by.guided and { name .. ": guided backpropagation", clamped(by.guided[1]) }
  end
end

local function entry_of(run, c, rows, y, batch, i)
  local row, spec = rows[c.row], run.recipe.table.report[c.kind]
  local panels = core.no_grad(c.show.panels, y, batch, i, spec)
  if c.show.seen then put_looks(panels, run, c.show.seen) end
  return { title = ("%s %s: %s %.3f"):format(c.kind, c.role, c.show.name, row[c.show.key]), role = c.role,
    file = row.file, label = run.feed.classes[row.label], predicted = run.feed.classes[row.predicted],
    panels = write_panels(run.dir, c.kind .. "-" .. c.role, panels) }
end

---Write the pictures of a run and their index.
---@param run table
---@param split string
---@param rows table[] with their scores, in the split's order
---@param forward fun(batch: table): table
function pictures.write(run, split, rows, forward)
  local chosen, index, at = all_chosen(run.recipe.table.report, rows), {}, 0
  if #chosen == 0 then return end
  files.make_folder(run.dir .. "/pictures")
  for batch in run.feed:fixed(split, run.batch_size) do
    local n, y = batch.image.shape[1], nil
    for k, c in ipairs(chosen) do
      local i = c.row - at
      if i >= 1 and i <= n then
        y = y or core.no_grad(forward, batch)
        index[k] = entry_of(run, c, rows, y, batch, i)
      end
    end
    at = at + n
  end
  files.write(run.dir .. "/pictures/index.json", json.encode(index) .. "\n")
end

return pictures
