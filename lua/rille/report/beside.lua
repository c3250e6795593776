-- One picture of several runs that restore: the bad image, what each run made of it, the clean one; and below
-- each, where the run's recogniser looks.
local core = require "rille.core"
local evaluate = require "rille.run.evaluate"
local kinds = require "rille.run.kinds"
local pictures = require "rille.run.pictures"
local reopen = require "rille.run.reopen"
local rl = require "rille"

local beside = {}

local GAP = 2 -- white pixels between two pictures

local function colour(x) -- C x H x W -> 3 x H x W
  return (x.shape[1] == 3 and x or x:expand { 3, -1, -1 }):detach():to("f32"):clamp { min = 0, max = 1 }
end

-- Pictures in a row (dim 3) or a column (dim 2).
local function joined(list, dim)
  local parts = {}
  for k, x in ipairs(list) do
    if k > 1 then
      local size = { table.unpack(x.shape) }
      size[dim] = GAP
      parts[#parts + 1] = rl.ones(size)
    end
    parts[#parts + 1] = x
  end
  return rl.cat(parts, dim)
end

local function recogniser(run)
  for _, m in pairs(run.models) do
    if m.looks then return m end
  end
end

local function look(run, image) -- C x H x W
  local m = recogniser(run)
  return pictures.overlay(pictures.grey(image), m:looks(image:unsqueeze(1))[1])
end

-- The picture of one image: a list of its versions and whose eyes see them.
local function panel(versions, owners)
  local upper, lower = {}, {}
  for k, x in ipairs(versions) do
    upper[k] = colour(x)
    if recogniser(owners[k]) then lower[#lower + 1] = look(owners[k], x) end
  end
  if #lower < #upper then return joined(upper, 3) end
  return joined({ joined(upper, 3), joined(lower, 3) }, 2)
end

local function open(dir)
  local run = reopen.run(dir)
  run.spec = (run.recipe.table.report or {}).restore
  if type(run.spec) ~= "table" or not run.spec.from then
    error(('report: "%s" restores no images; its recipe says no report.restore with `from`'):format(dir), 0)
  end
  run.forward = evaluate.forward(run)
  return run
end

---Write the picture: some images of the test split, evenly spread, one below the other. All runs see the same
---bad images, those of the first.
---@param dirs string[] run folders
---@param path string of the PNG
---@param count integer images
---@return string[] columns what stands in each column
function beside.write(dirs, path, count)
  local runs, owners, columns = {}, {}, { "degraded" }
  for k, dir in ipairs(dirs) do runs[k], columns[k + 1] = open(dir), dir end
  columns[#columns + 1] = "clean"
  owners[1], owners[#runs + 2] = runs[1], runs[1]
  for k, run in ipairs(runs) do owners[k + 1] = run end
  local n, at, rows, wanted = runs[1].feed.counts.test, 0, {}, {}
  count = math.min(count, n)
  for k = 1, count do wanted[1 + (k - 1) * (n - 1) // math.max(1, count - 1)] = true end
  for batch in runs[1].feed:fixed("test", runs[1].options.batch) do
    local made = {}
    core.no_grad(function()
      for k, run in ipairs(runs) do
        local y = run.forward(batch)
        if k == 1 then made[1], made[#runs + 2] = y[run.spec.from], kinds.truth(run.spec, y, batch) end
        made[k + 1] = y[kinds.output(run.spec)]
      end
    end)
    for i = 1, batch.image.shape[1] do
      if wanted[at + i] then
        local versions = {}
        for k, x in ipairs(made) do versions[k] = x[i] end
        rows[#rows + 1] = panel(versions, owners)
      end
    end
    at = at + batch.image.shape[1]
  end
  local ok, why = core.io.write_png(path, joined(rows, 2))
  if not ok then error(why, 0) end
  return columns
end

return beside
