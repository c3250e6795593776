-- One image of EGD-CXR and its gaze on the canvas of arXiv:2403.16970: pictures centred on 3200 x 2560
-- (height x width), divided by their maximum; gaze blurred with sigma 75.5 pixels of the original. Both are
-- averaged over areas on the way down.
local core = require "rille.core"._data
local gaze = require "rille.data.egd_cxr.gaze"

local picture = {}

local HEIGHT, WIDTH, SIGMA = 3200, 2560, 75.5
local DARK = 32 -- of 255: the brightest value of a picture that was written without its window

local function quoted(path) return "'" .. path:gsub("'", "'\\''") .. "'" end

---Whether dcmtk's converter is there.
---@return boolean
function picture.has_converter()
  local p = io.popen "command -v dcmj2pnm 2>/dev/null"
  local found = p and p:read "l"
  if p then p:close() end
  return found ~= nil and found ~= ""
end

-- A DICOM image as an 8-bit PNG, its whole range of values used.
local function convert(job, case)
  local to = job.dir .. "/converted.png"
  local p = io.popen(("dcmj2pnm +on +Wm %s %s 2>&1"):format(quoted(case.source), quoted(to)))
  local said = p:read "a"
  if p:close() then return to end
  return nil, "dcmj2pnm cannot convert it: " .. said:match "([^\n]*)\n*$"
end

---Where the original lies on the canvas, and how many of its pixels one pixel of the output is.
---@param job { width: integer }
function picture.place(job, width, height, full_width, full_height)
  local grow = math.max(1, full_width / WIDTH, full_height / HEIGHT) -- a larger original: a larger canvas
  local unit = WIDTH * grow / job.width -- pixels of the original per pixel of the output
  local canvas = { math.max(width, math.floor(WIDTH * grow * width / full_width + 0.5)),
    math.max(height, math.floor(HEIGHT * grow * height / full_height + 0.5)) }
  return { canvas = canvas, unit = unit, x = (canvas[1] - width) // 2 * full_width / width,
    y = (canvas[2] - height) // 2 * full_height / height }
end

local function draw_image(job, case, path, at)
  local pixels, most = core.image_on_canvas(path, at.canvas, { job.width, job.height })
  if not pixels then return nil, most end
  if most < DARK then
    return nil, ("its brightest value is %d of 255, as of 12 bits written as 16; export 8 bits over the "
      .. "whole range"):format(most)
  end
  return require "rille".io.write_png(("%s/images/%s.png"):format(job.dir, case.id), pixels)
end

---Points as pixels of the output, and which of the given ones they are. The original's are whole numbers:
---a pixel's middle is meant.
function picture.moved(points, at, full_width, full_height)
  local x, y, index = {}, {}, {}
  for i = 1, #points.x do
    if points.x[i] < full_width and points.y[i] < full_height then
      index[#index + 1] = i
      x[#x + 1], y[#y + 1] = (points.x[i] + 0.5 + at.x) / at.unit, (points.y[i] + 0.5 + at.y) / at.unit
    end
  end
  return x, y, index
end

local function draw_map(job, case, points, at, full_width, full_height)
  local x, y, index = picture.moved(points, at, full_width, full_height)
  if #x == 0 then return nil, "none of its gaze lies inside the image" end
  if #x < 0.9 * #points.x then
    return nil, ("its gaze reaches beyond the image of %.0fx%.0f; export it at full size")
      :format(full_height, full_width)
  end
  local weight = {}
  for k, i in ipairs(index) do weight[k] = points.weight[i] end
  local box = { math.floor(at.x / at.unit), math.floor(at.y / at.unit),
    math.ceil((at.x + full_width) / at.unit), math.ceil((at.y + full_height) / at.unit) }
  local map = core.gaze_map(x, y, weight, job.width, job.height, SIGMA / at.unit, box)
  return require "rille".io.write_png(("%s/saliency/%s.png"):format(job.dir, case.id), map)
end

local NO_POINTS = { x = {}, y = {}, widths = {}, heights = {} }

---Write the image and, where there is gaze, its map.
---@param job table dir, width, height, points, fixations (by id)
---@param case table id, source, is_dicom
---@return table? done width, height of the file, full_width, full_height of the original; or nil, why
function picture.prepare(job, case)
  local path, why = case.source, nil
  if case.is_dicom then path, why = convert(job, case) end
  if not path then return nil, why end
  local width, height = core.image_size(path)
  if not width then return nil, height end
  local points = job.points[case.id] or NO_POINTS
  local full_width, full_height = gaze.full_size(job.fixations[case.id] or points, width, height)
  local at = picture.place(job, width, height, full_width, full_height)
  local ok
  if #points.x > 0 then
    ok, why = draw_map(job, case, points, at, full_width, full_height)
    if not ok then return nil, why end
  end
  ok, why = draw_image(job, case, path, at)
  if not ok then return nil, why end
  return { width = width, height = height, full_width = full_width, full_height = full_height }
end

return picture
