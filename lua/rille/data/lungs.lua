-- Three public collections of chest X-rays with lung masks, from their published form to a data-set folder:
--   montgomery  Montgomery County set (NLM; Jaeger et al. 2014): CXR_png, ManualMask/leftMask and rightMask
--   shenzhen    Shenzhen Hospital set (the same): CXR_png; masks of Stirenko et al. (arXiv:1803.01199) as
--               NAME_mask.png in any subfolder, for most images
--   jsrt        JSRT (Shiraishi et al. 2000): *.IMG, 2048 x 2048, 16 bits, high byte first; masks of the SCR
--               database (van Ginneken et al. 2006): "left lung" and "right lung", NAME.gif
local core = require "rille.core"
local files = require "rille.util.files"
local gif = require "rille.data.gif"
local io_ = core.io
local split = require "rille.data.split"
local walk = require "rille.data.walk"

local TB = { ["0"] = "normal", ["1"] = "tuberculosis" }
local JSRT_SIDE, JSRT_MOST = 2048, 4095

-- name -> what a file is: the image's name, its label, or of which image it is a mask.
local SETS = {
  montgomery = { what = "MCUCXR_0001_0.png", look = function(name, path)
    local id, sick = name:match "^(MCUCXR_%d+_([01]))%.png$"
    if id and path:find "[/\\][lr]%w*Mask[/\\]" then return id, nil, true end
    return id, TB[sick]
  end },
  shenzhen = { what = "CHNCXR_0001_0.png", look = function(name)
    local masked = name:match "^(CHNCXR_%d+_[01])_mask%.png$"
    if masked then return masked, nil, true end
    local id, sick = name:match "^(CHNCXR_%d+_([01]))%.png$"
    return id, TB[sick]
  end },
  jsrt = { what = "JPCLN001.IMG", look = function(name, path)
    local id, kind, suffix = name:match "^(JPC([LN])N%d+)%.(%w+)$"
    suffix = suffix and suffix:lower()
    if suffix == "gif" or suffix == "png" then
      return path:find "[/\\]%a+ ?lung[/\\]" and id or nil, nil, true
    end
    if suffix == "img" then return id, kind == "L" and "nodule" or "normal" end
  end },
}

local function find(set, src)
  local cases, order = {}, {}
  walk(src, function(path, name)
    local id, label, is_mask = set.look(name, path)
    if not id then return end
    local case = cases[id] or { id = id, masks = {} }
    cases[id] = case
    if is_mask then
      case.masks[#case.masks + 1] = path
    elseif not case.source then
      case.source, case.label, case.group = path, label, id
      order[#order + 1] = case
    end
  end)
  table.sort(order, function(a, b) return a.id < b.id end)
  return order
end

-- Raw bytes as a tensor: an npy file is a line of text in front of them.
local function of_bytes(job, bytes, dtype, height, width)
  local head = ("{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }"):format(dtype, height, width)
  head = head .. (" "):rep(63 - (10 + #head) % 64) .. "\n"
  local part = job.dir .. "/part.npy"
  files.write(part, "\x93NUMPY\1\0" .. string.pack("<I2", #head) .. head .. bytes)
  local t, why = io_.load_npy(part)
  os.remove(part)
  return t, why
end

local function scaled(size, width, height) -- the longer side becomes `size`
  local by = math.min(1, size / math.max(width, height))
  return math.max(1, math.floor(width * by + 0.5)), math.max(1, math.floor(height * by + 0.5))
end

-- Grey values 0..255, averaged over areas; the size of the original.
local function read_raw(job, case)
  local bytes, why = files.read(case.source)
  if not bytes then return nil, why end
  if #bytes ~= 2 * JSRT_SIDE ^ 2 then
    return nil, ("it has %d bytes, not %d of 2048 x 2048 pixels"):format(#bytes, 2 * JSRT_SIDE ^ 2)
  end
  local t
  t, why = of_bytes(job, bytes, ">u2", JSRT_SIDE, JSRT_SIDE)
  if not t then return nil, why end
  local w, h = scaled(job.size, JSRT_SIDE, JSRT_SIDE)
  local bright = (JSRT_MOST - t:to("f32")):clamp { min = 0 } * (255 / JSRT_MOST) -- stored: dense is dark
  local small = core.adaptive_avg_pool2d(bright:reshape { 1, 1, JSRT_SIDE, JSRT_SIDE }, { h, w })
  return (small + 0.5):to("u8"):reshape { 1, h, w }, JSRT_SIDE, JSRT_SIDE
end

local function read_picture(job, case)
  local width, height = core._data.image_size(case.source)
  if not width then return nil, height end
  local w, h = scaled(job.size, width, height)
  local pixels, why = core._data.image_on_canvas(case.source, { width, height }, { w, h })
  if not pixels then return nil, why end
  return pixels, width, height
end

local function read_mask(job, path)
  if not path:lower():find "%.gif$" then return io_.read_image(path) end
  local text, why = files.read(path)
  if not text then return nil, why end
  local pixels, width, height = gif(text)
  if not pixels then return nil, ('"%s" %s'):format(path, width) end
  return of_bytes(job, pixels, "|u1", height, width)
end

-- The union of the masks, 0 or 255: a pixel is inside where half of its area is.
local function join_masks(job, case, w, h)
  local union
  for _, path in ipairs(case.masks) do
    local m, why = read_mask(job, path)
    if not m then return nil, why end
    m = m:to("f32")
    local shape = m.shape
    if #shape == 3 then m = m:mean { 1 } end
    local inside = m:gt(127):to("f32"):reshape { 1, 1, shape[#shape - 1], shape[#shape] }
    inside = core.adaptive_avg_pool2d(inside, { h, w }):ge(0.5):to("f32")
    union = union and core.maximum(union, inside) or inside
  end
  return (union * 255):to("u8"):reshape { 1, h, w }
end

local function write(job, name, pixels)
  local part = job.dir .. "/part.png"
  local ok, why = io_.write_png(part, pixels)
  if ok then ok, why = os.rename(part, job.dir .. "/" .. name) end
  if not ok then error(("%s: %s"):format(job.name, why), 0) end
end

-- Image and mask of a case; nil, why when a file is bad.
local function prepare(job, case)
  local read = case.source:lower():find "%.img$" and read_raw or read_picture
  local pixels, width, height = read(job, case)
  if not pixels then return nil, width end
  local row = { file = ("images/%s.png"):format(case.id), label = case.label, group = case.id, mask = "",
    orig_width = ("%d"):format(width), orig_height = ("%d"):format(height) }
  if #case.masks > 0 then
    local mask, why = join_masks(job, case, pixels.shape[3], pixels.shape[2])
    if not mask then return nil, why end
    row.mask = ("masks/%s.png"):format(case.id)
    write(job, row.mask, mask)
  end
  write(job, row.file, pixels)
  return row
end

local function write_csv(job, name, rows, columns)
  local ok, why = io_.write_csv(job.dir .. "/" .. name, rows, columns)
  if not ok then error(("%s: %s"):format(job.name, why), 0) end
end

---Prepare one of the collections: images and masks as 8-bit PNG, the longer side `size` pixels, and
---manifest.csv with splits of 70, 10 and 20 %, each class divided alike. A bad file is named, left out and
---listed in left_out.csv; so is nothing that merely lacks a mask.
---
---Raises: `NAME: ...` when no image is found, or DIR holds a data set already.
---@param name "montgomery"|"shenzhen"|"jsrt"
---@param src string folder of the download, unpacked; files are found in any subfolder
---@param dir string made if it is missing
---@param o { size: integer, seed: integer, say: fun(text: string) }
---@return integer ready, integer masked, integer left_out
return function(name, src, dir, o)
  local set, job = SETS[name], { name = name, dir = dir, size = o.size }
  if files.kind(src) ~= "directory" then
    error(('%s: "%s" is no folder; name the one that was unpacked'):format(name, src), 0)
  end
  local order = find(set, src)
  if #order == 0 then
    error(('%s: "%s" has no image named like %s, in no subfolder'):format(name, src, set.what), 0)
  end
  if files.kind(dir .. "/manifest.csv") then
    error(('%s: "%s" holds a data set already; name another folder'):format(name, dir), 0)
  end
  files.make_folder(dir .. "/images")
  files.make_folder(dir .. "/masks")
  local rows, bad, masked, splits = {}, {}, 0, split(order, o.seed)
  for i, case in ipairs(order) do
    local row, why = prepare(job, case)
    if row then
      row.split, rows[#rows + 1], masked = splits[case.group], row, masked + (row.mask ~= "" and 1 or 0)
    else
      bad[#bad + 1] = { id = case.id, why = why }
      o.say(("%s: %s: %s; left out"):format(name, case.id, why))
    end
    if i % 50 == 0 then o.say(("%s: %d of %d images"):format(name, i, #order)) end
  end
  if #rows == 0 then error(("%s: not one of %d images could be prepared"):format(name, #order), 0) end
  write_csv(job, "left_out.csv", bad, { "id", "why" })
  write_csv(job, "manifest.csv", rows,
    { "file", "label", "split", "mask", "group", "orig_width", "orig_height" })
  return #rows, masked, #bad
end
