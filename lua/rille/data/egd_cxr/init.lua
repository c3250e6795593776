-- EGD-CXR ("Eye Gaze Data for Chest X-rays" 1.0.0, PhysioNet, doi:10.13026/qfdz-zr67) with images of
-- MIMIC-CXR, from their published form to a data-set folder.
local files = require "rille.util.files"
local gaze = require "rille.data.egd_cxr.gaze"
local picture = require "rille.data.egd_cxr.picture"
local sources = require "rille.data.egd_cxr.sources"
local split = require "rille.data.split"
local tables = require "rille.data.tables"

local CLASSES = { "normal", "chf", "pneumonia" }
local MASTER = {
  id = { "dicom_id", "DICOM-ID", "image_id" }, patient = { "patient_id", "subject_id" },
  normal = { "Normal" }, chf = { "CHF" }, pneumonia = { "pneumonia" },
  top = { "image_top_pad", "image_top", optional = true }, left = { "image_left_pad", "image_left",
  optional = true }, bottom = { "image_bottom_pad", "image_bottom", optional = true },
  right = { "image_right_pad", "image_right", optional = true },
}

local function fail(format, ...) error("egd-cxr: " .. format:format(...), 0) end

local function leave_out(job, id, why)
  job.left_out[#job.left_out + 1] = { id = id, why = why }
  job.say(("egd-cxr: %s: %s; left out"):format(id, why))
end

-- The master sheet's rows that name one class, by id and in order.
local function read_master(job, path)
  local cases, order = {}, {}
  for _, row in ipairs(tables.read("egd-cxr", path, MASTER)) do
    local n, label = 0, nil
    for _, class in ipairs(CLASSES) do
      if tonumber(row[class]) == 1 then n, label = n + 1, class end
    end
    if row.id ~= "" then
      if cases[row.id] then
        leave_out(job, row.id, "it stands twice in master_sheet.csv")
      elseif n ~= 1 then
        leave_out(job, row.id, ("it is marked for %d of Normal, CHF and pneumonia, not for one"):format(n))
      elseif row.patient == "" then
        leave_out(job, row.id, "its patient_id is empty")
      else
        local pads = { top = tonumber(row.top), bottom = tonumber(row.bottom), left = tonumber(row.left),
          right = tonumber(row.right) }
        cases[row.id] = { id = row.id, label = label, group = row.patient, pads = pads.top and pads }
        order[#order + 1] = cases[row.id]
      end
    end
  end
  if #order == 0 then fail('"%s" has no row that can be used', path) end
  table.sort(order, function(a, b) return a.id < b.id end)
  return cases, order
end

local function find_images(job, found, order)
  local kept, dicom = {}, 0
  for _, case in ipairs(order) do
    local image = sources.image(found, case.id)
    if image then
      case.source, case.is_dicom = image.path, image.is_dicom
      dicom = dicom + (image.is_dicom and 1 or 0)
      kept[#kept + 1] = case
    else
      leave_out(job, case.id, "no image of this name was found")
    end
  end
  if #kept == 0 then
    fail("none of the %d images was found (names like %s.png, .jpg or .dcm, in any subfolder); name their "
      .. "folder with --images", #order, order[1].id)
  end
  if dicom > 0 and not picture.has_converter() then
    fail("%d images are DICOM, for which dcmj2pnm is missing: apt-get install dcmtk (or export them as 8-bit "
      .. "PNG, full size, named like %s.png)", dicom, kept[1].id)
  end
  return kept
end

---- What is done already: one line per image, behind a line that says how.

local function begin_journal(job)
  local path, done = job.dir .. "/prepared.txt", {}
  local head = ("size %d, gaze from %s"):format(job.height, job.source)
  local text = files.read(path)
  if text then
    local before = text:match "^([^\n]*)\n"
    if before ~= head then
      fail('"%s" was begun with %s, now it is %s; name another folder', job.dir, before or "?", head)
    end
    for id, numbers in text:gmatch "\n(%S+) (%S+ %S+ %S+ %S+);" do
      local w, h, fw, fh = numbers:match "(%S+) (%S+) (%S+) (%S+)"
      done[id] = { width = tonumber(w), height = tonumber(h), full_width = tonumber(fw),
        full_height = tonumber(fh) }
    end
  elseif files.kind(job.dir .. "/manifest.csv") then
    fail('"%s" has a manifest.csv of something else; name another folder', job.dir)
  end
  job.journal = io.open(path, "a")
  if not job.journal then fail('"%s" cannot be written; name another folder', path) end
  if not text then job.journal:write(head, "\n") end
  return done
end

local function is_done(job, case, d)
  local map = not job.points[case.id] or files.kind(("%s/saliency/%s.png"):format(job.dir, case.id))
  return d and map and files.kind(("%s/images/%s.png"):format(job.dir, case.id))
end

local function prepare_all(job, order)
  local done, ready, fresh, tried = begin_journal(job), {}, 0, 0
  local start = os.time()
  local told = start
  for i, case in ipairs(order) do
    local d = done[case.id]
    if not is_done(job, case, d) then
      local why
      d, why = picture.prepare(job, case)
      tried = tried + 1
      if d then
        fresh = fresh + 1
        job.journal:write(("%s %d %d %.17g %.17g;\n"):format(case.id, d.width, d.height, d.full_width,
          d.full_height))
        job.journal:flush()
      else
        leave_out(job, case.id, why)
      end
    end
    if d then ready[#ready + 1], case.done = case, d end
    local now = os.time()
    if now - told >= 5 and tried > 0 then
      told = now
      job.say(("egd-cxr: %d of %d images, about %d s left"):format(i, #order,
        math.ceil((now - start) / tried * (#order - i))))
    end
  end
  job.journal:close()
  os.remove(job.dir .. "/converted.png")
  if #ready == 0 then fail("not one of %d images could be prepared", #order) end
  return ready, fresh
end

---- The tables of the data set

local function add_fixations(job, case, file, rows)
  local points, d = job.fixations[case.id], case.done
  if not points then return 0 end
  local at = picture.place(job, d.width, d.height, d.full_width, d.full_height)
  local x, y, index = picture.moved(points, at, d.full_width, d.full_height)
  local order = {}
  for k = 1, #x do order[k] = k end
  table.sort(order, function(a, b)
    local s, t = points.onset[index[a]], points.onset[index[b]]
    return s < t or s == t and a < b
  end)
  for n, k in ipairs(order) do
    rows[#rows + 1] = { file = file, subject = 1, index = n, x = ("%.3f"):format(x[k]),
      y = ("%.3f"):format(y[k]), onset = ("%.5f"):format(points.onset[index[k]]),
      duration = ("%.5f"):format(points.duration[index[k]]) }
  end
  return #x
end

local function write_csv(job, name, rows, columns)
  local ok, why = require "rille".io.write_csv(job.dir .. "/" .. name, rows, columns)
  if not ok then fail("%s", why) end
end

local function write_tables(job, order, ready)
  local splits, rows, fixations = split(order, job.seed), {}, {}
  for i, case in ipairs(ready) do
    local file = ("images/%s.png"):format(case.id)
    rows[i] = { file = file, label = case.label, split = splits[case.group], group = case.group,
      saliency = job.points[case.id] and ("saliency/%s.png"):format(case.id) or "",
      orig_width = ("%.0f"):format(case.done.full_width),
      orig_height = ("%.0f"):format(case.done.full_height),
      n_fixations = add_fixations(job, case, file, fixations) }
  end
  if next(job.fixations) then
    write_csv(job, "fixations.csv", fixations,
      { "file", "subject", "index", "x", "y", "onset", "duration" })
  end
  table.sort(job.left_out, function(a, b) return a.id < b.id end)
  write_csv(job, "left_out.csv", job.left_out, { "id", "why" })
  write_csv(job, "manifest.csv", rows, -- last: where it stands, all else does
    { "file", "label", "split", "mask", "saliency", "group", "orig_width", "orig_height", "n_fixations" })
end

local function read_gaze(job, found, cases)
  local raw, fixations = found.tables["eye_gaze.csv"], found.tables["fixations.csv"]
  if not raw and not fixations then
    fail "neither eye_gaze.csv nor fixations.csv was found beside master_sheet.csv; download them"
  end
  local function read(path, is_fixations)
    if not path then return {} end
    job.say(("egd-cxr: reading %s"):format(path:match "[^/]*$"))
    local of, odd = gaze.read(path, cases, { fixations = is_fixations })
    if odd > 0 then
      job.say(("egd-cxr: %s: %d rows without usable numbers are left out"):format(path:match "[^/]*$", odd))
    end
    return of
  end
  job.fixations = read(fixations, true)
  job.points = raw and read(raw, false) or job.fixations
  job.source = raw and "samples" or "fixations"
  if not raw then job.say "egd-cxr: eye_gaze.csv is missing: maps are made from fixations, by duration" end
  if not fixations then job.say "egd-cxr: fixations.csv is missing: the data set has maps only" end
end

---Prepare EGD-CXR: images and gaze maps as PNG, fixations.csv, and manifest.csv with splits of 70, 10 and
---20 % by patient, each class divided alike. Begun folders are completed; a bad file is named, left out and
---listed in left_out.csv.
---
---Raises: `egd-cxr: ...` when a table, a column or every image is missing, or DICOM cannot be converted.
---@param src string folder with master_sheet.csv, eye_gaze.csv, fixations.csv and images, in any subfolder
---@param dir string made if it is missing
---@param o { size: integer, seed: integer, images: string?, say: fun(text: string) } size: the height in
---  pixels, a multiple of 5; the width is 4/5 of it
---@return integer prepared, integer left_out, integer fresh how many of them were made now
return function(src, dir, o)
  if o.size < 40 or o.size > 3200 or o.size % 5 ~= 0 then
    fail("size %d: the height is a multiple of 5 from 40 to 3200; the paper has 320 and 640", o.size)
  end
  local job = { dir = dir, height = o.size, width = o.size // 5 * 4, seed = o.seed, left_out = {},
    say = o.say }
  local found = sources.find { src, o.images }
  if not found.tables["master_sheet.csv"] then
    fail('"%s" has no master_sheet.csv, in no subfolder; name the folder of Eye Gaze Data for Chest X-rays',
      src)
  end
  local cases, order = read_master(job, found.tables["master_sheet.csv"])
  local kept = find_images(job, found, order)
  read_gaze(job, found, cases)
  files.make_folder(dir .. "/images")
  files.make_folder(dir .. "/saliency")
  local ready, fresh = prepare_all(job, kept)
  write_tables(job, order, ready)
  return #ready, #job.left_out, fresh
end
