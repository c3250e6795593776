-- ChestX-ray14 of the NIH Clinical Center (Wang et al., CVPR 2017) from its published form to a data-set
-- folder: Data_Entry_2017*.csv, train_val_list.txt, test_list.txt, and PNGs in images/ or images_001/images/.
local core = require "rille.core"
local files = require "rille.util.files"
local lfs = require "lfs"
local random = require "rille.util.random"
local tables = require "rille.data.tables"
local views = require "rille.data.views"

local ENTRY = {
  file = { "Image Index" }, findings = { "Finding Labels" }, patient = { "Patient ID" },
  age = { "Patient Age", optional = true }, sex = { "Patient Gender", "Patient Sex", optional = true },
  view = { "View Position", optional = true },
}
local VAL = 0.1 -- of the published training list, by patient

local function fail(format, ...) error("chestxray14: " .. format:format(...), 0) end

-- The tables of the folder, and its images by name: in `images` or in folders whose name begins so.
local function look(src)
  if files.kind(src) ~= "directory" then fail('"%s" is no folder', src) end
  local found = { images = {} }
  local function take_images(dir)
    for _, name in ipairs(files.list(dir)) do
      if name:lower():match "%.png$" then
        found.images[name] = found.images[name] or dir .. "/" .. name
      elseif name == "images" then
        take_images(dir .. "/images")
      end
    end
  end
  for _, name in ipairs(files.list(src)) do
    local path = src .. "/" .. name
    if name:match "^Data_Entry_2017.*%.csv$" then found.entry = found.entry or path end
    if name == "train_val_list.txt" or name == "test_list.txt" then found[name:match "^%a+"] = path end
    if name:match "^images" and lfs.attributes(path, "mode") == "directory" then take_images(path) end
  end
  for key, name in pairs { entry = "Data_Entry_2017.csv", train = "train_val_list.txt",
    test = "test_list.txt" } do
    if not found[key] then fail('"%s" has no %s; put the published one there', src, name) end
  end
  if not next(found.images) then fail('"%s" has no PNG in images/ or images_001/images/', src) end
  return found
end

local function read_list(path)
  local names = {}
  for line in io.lines(path) do
    local name = line:match "^%s*(%S+)"
    if name then names[name] = true end
  end
  if not next(names) then fail('"%s" names no image; download it again', path) end
  return names
end

-- Patients of the training list that are for validation.
local function choose_val(rows, seed)
  local patients, seen = {}, {}
  for _, row in ipairs(rows) do
    if row.split == "train" and not seen[row.patient] then
      seen[row.patient] = true
      patients[#patients + 1] = row.patient
    end
  end
  table.sort(patients)
  local draw, chosen = random(seed), {}
  for k = 1, math.floor(VAL * #patients + 0.5) do
    local j = k - 1 + draw(#patients - k + 1)
    patients[k], patients[j] = patients[j], patients[k]
    chosen[patients[k]] = true
  end
  return chosen
end

local function read_rows(job, found)
  local train, test, rows = read_list(found.train), read_list(found.test), {}
  tables.each("chestxray14", found.entry, ENTRY, function(row, at)
    local one = {}
    for key, k in pairs(at) do one[key] = row[k] end
    one.split = train[one.file] and "train" or test[one.file] and "test"
    if not one.split then
      job.leave_out(one.file, "it stands in neither list")
    elseif not found.images[one.file] then
      job.leave_out(one.file, "there is no image of this name")
    else
      rows[#rows + 1] = one
    end
  end)
  if #rows == 0 then fail("none of the images of Data_Entry_2017.csv was found; their names are like %s",
    "00000001_000.png") end
  table.sort(rows, function(a, b) return a.file < b.file end)
  return rows
end

local WHOLE = { x = 1, y = 1, flip = false, angle = 0, grayscale = false, sigma = 0, kernel = 1,
  solarize = false, threshold = 1, order = {}, brightness = 1, contrast = 1, saturation = 1, hue = 0 }

-- One image, grey, size x size; bicubic.
local function prepare(job, source, to)
  local image, why = core.io.read_image(source)
  if not image then return nil, why end
  WHOLE.height, WHOLE.width = image.shape[2], image.shape[3]
  local ok
  ok, why = core.io.write_png(to, views.apply(image, WHOLE, job.size, 1)[1])
  return ok, why
end

local function prepare_all(job, rows, images)
  local ready, fresh, told = {}, 0, os.time()
  for i, row in ipairs(rows) do
    local to = job.dir .. "/images/" .. row.file
    local ok, why = files.kind(to) == "file", nil
    if not ok then
      ok, why = prepare(job, images[row.file], to)
      fresh = fresh + (ok and 1 or 0)
    end
    if ok then ready[#ready + 1] = row else job.leave_out(row.file, why) end
    if os.time() - told >= 5 then
      told = os.time()
      job.say(("chestxray14: %d of %d images"):format(i, #rows))
    end
  end
  if #ready == 0 then fail("not one of %d images could be read", #rows) end
  return ready, fresh
end

local function write_tables(job, ready)
  local val, out = choose_val(ready, job.seed), {}
  for i, row in ipairs(ready) do
    out[i] = { file = "images/" .. row.file, split = row.split == "train" and val[row.patient] and "val"
      or row.split, group = row.patient, findings = row.findings, age = row.age, sex = row.sex,
      view = row.view }
  end
  local function write(name, rows, columns)
    local ok, why = core.io.write_csv(job.dir .. "/" .. name, rows, columns)
    if not ok then fail("%s", why) end
  end
  write("left_out.csv", job.left_out, { "file", "why" })
  write("manifest.csv", out, { "file", "split", "group", "findings", "age", "sex", "view" })
end

---Prepare ChestX-ray14: grey PNGs of one size, and manifest.csv with the published test list as test, the
---published training list as train, of whose patients a tenth is val. The column findings holds all findings
---of an image, joined by "|". Begun folders are completed; what is left out is listed in left_out.csv.
---
---Raises: `chestxray14: ...` when a table, a column or every image is missing.
---@param src string folder with Data_Entry_2017*.csv, train_val_list.txt, test_list.txt and images
---@param dir string made if it is missing
---@param o { size: integer, seed: integer, say: fun(text: string) } size: pixels of both sides
---@return integer ready, integer left_out, integer fresh how many were made now
return function(src, dir, o)
  local job = { dir = dir, size = o.size, seed = o.seed, say = o.say, left_out = {} }
  function job.leave_out(file, why) job.left_out[#job.left_out + 1] = { file = file, why = why } end
  local found = look(src)
  local rows = read_rows(job, found)
  files.make_folder(dir .. "/images")
  local ready, fresh = prepare_all(job, rows, found.images)
  write_tables(job, ready)
  return #ready, #job.left_out, fresh
end
