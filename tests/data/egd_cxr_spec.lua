-- Small folders in the published form of Eye Gaze Data for Chest X-rays, made here: its columns only.
local rl = require "rille"
local files = require "support.files"
local runs = require "support.runs"

local MASTER = "dicom_id,path,study_id,patient_id,stay_id,gender,anchor_age,image_top_pad,image_bottom_pad,"
  .. "image_left_pad,image_right_pad,dx1,Normal,CHF,pneumonia,cxr_exam_indication\n"
local GAZE = "SESSION_ID,MEDIA_ID,DICOM_ID,CNT,Time (in secs),TIMETICK(f=10000000),FPOGX,FPOGY,FPOGS,FPOGD,"
  .. "FPOGID,FPOGV,BPOGX,X_ORIGINAL,Y_ORIGINAL\n"
local WIDTH, HEIGHT = 2540, 3040 -- of the originals; the files here are a twentieth of it

local function id_of(k) return ("%08x-0a1b2c3d-4e5f6071-8293a4b5-c6d7e8f9"):format(k) end

-- One row of gaze, shown on a screen where the picture has 534 empty columns on either side.
local function gaze_row(id, x, y, onset, duration, size)
  local w, h = size and size[1] or WIDTH, size and size[2] or HEIGHT
  local screen_x = x < 0 and 0.1 or (534 + (x + 0.5) / w * 852) / 1920
  return ("1,0,%s,1,0.5,1.0,%.5f,%.5f,%.5f,%.5f,2,1,0.4,%d,%d\n"):format(id, screen_x, (y + 0.5) / h, onset,
    duration, x, y)
end

local Source = {}
Source.__index = Source

local function source()
  local dir = files.folder()
  return setmetatable({ dir = dir, master = { MASTER }, raw = { GAZE }, fixations = { GAZE } }, Source)
end

function Source:add(k, class, o)
  o = o or {}
  local id = id_of(k)
  local flags = { 0, 0, 0 }
  if class > 0 then flags[class] = 1 end
  local row = '%s,files/p10/%s.dcm,1,%s,1,F,20 - 30,0,0,534,534,"fever, %d",%d,%d,%d,"a ""b"",\nc"\n'
  table.insert(self.master, row:format(id, id, o.patient or 1000 + k, k, table.unpack(flags)))
  local folder = self.dir .. "/files/p" .. k % 3
  assert(os.execute(("mkdir -p '%s'"):format(folder)))
  local size = o.size or { WIDTH // 20, HEIGHT // 20 }
  local picture = rl.zeros({ 1, size[2], size[1] }, { dtype = "u8" })
  picture[{ 1, {}, {} }] = o.bright or 128
  picture[{ 1, 1, 1 }] = 0
  if not o.no_image then rl.io.write_png(("%s/%s.png"):format(folder, id), picture) end
  for i = 1, o.gaze or 20 do
    local x, y = 400 + 30 * i, 600 + 20 * i
    table.insert(self.raw, gaze_row(id, x, y, i / 60, 0.1))
    table.insert(self.fixations, gaze_row((o.cut and id:sub(1, 39) or id), x, y, 2 - i / 20, 0.01 * i))
  end
  return id
end

function Source:write()
  files.write(self.dir .. "/master_sheet.csv", table.concat(self.master))
  if self.raw then files.write(self.dir .. "/eye_gaze.csv", table.concat(self.raw)) end
  if self.fixations then files.write(self.dir .. "/fixations.csv", table.concat(self.fixations)) end
  return self.dir
end

-- A DICOM file with 12 bits in 16, explicit little endian, its values a ramp from 0 to 4095.
local function dicom(width, height)
  local function element(group, number, kind, value)
    if #value % 2 == 1 then value = value .. (kind == "UI" and "\0" or " ") end
    local long = kind == "OW" or kind == "OB"
    return string.pack(long and "<I2I2c2I2I4" or "<I2I2c2I2", group, number, kind,
      long and 0 or #value, long and #value or nil) .. value
  end
  local function short(v) return string.pack("<I2", v) end
  local class, instance = "1.2.840.10008.5.1.4.1.1.1", "1.2.3.4"
  local meta = element(2, 1, "OB", "\0\1") .. element(2, 2, "UI", class) .. element(2, 3, "UI", instance)
    .. element(2, 0x10, "UI", "1.2.840.10008.1.2.1") .. element(2, 0x12, "UI", "1.2.3")
  local pixels = {}
  for i = 0, width * height - 1 do pixels[i + 1] = short(i * 4095 // (width * height - 1)) end
  return ("\0"):rep(128) .. "DICM" .. element(2, 0, "UL", string.pack("<I4", #meta)) .. meta
    .. element(8, 0x16, "UI", class) .. element(8, 0x18, "UI", instance) .. element(8, 0x60, "CS", "DX")
    .. element(0x28, 2, "US", short(1)) .. element(0x28, 4, "CS", "MONOCHROME2")
    .. element(0x28, 0x10, "US", short(height)) .. element(0x28, 0x11, "US", short(width))
    .. element(0x28, 0x100, "US", short(16)) .. element(0x28, 0x101, "US", short(12))
    .. element(0x28, 0x102, "US", short(11)) .. element(0x28, 0x103, "US", short(0))
    .. element(0x7FE0, 0x10, "OW", table.concat(pixels))
end

describe("egd-cxr", function()
  local src, out, said

  before_each(function()
    src, said = source(), {}
    out = files.folder()
  end)
  after_each(function()
    files.remove(src.dir)
    files.remove(out)
  end)

  local function prepare(o)
    o = o or {}
    o.size, o.say = o.size or 80, function(text) said[#said + 1] = text end
    return rl.data.egd_cxr(src.dir, out, o)
  end
  local function heard(text)
    return table.concat(said, "\n"):find(text, 1, true) ~= nil
  end

  it("makes a data set: images, maps, fixations, splits by patient, each class divided alike", function()
    for k = 1, 60 do src:add(k, k % 3 + 1, { patient = k > 50 and 1000 + k - 9 or nil }) end
    src:write()
    assert.same({ 60, 0, 60 }, { prepare() })
    local set = rl.data.open(out)
    assert.same({ "chf", "normal", "pneumonia" }, set.classes)
    for name, n in pairs { train = 14, val = 2, test = 4 } do
      for k = 1, 3 do assert.is_true(math.abs(n - set:class_counts(name)[k]) <= 1, name) end
    end
    local row = set:row(1)
    assert.equal("images/" .. id_of(1) .. ".png", row.file)
    assert.equal("1001", row.group)
    assert.equal("chf", row.label)
    assert.same({ 1, 80, 64 }, assert(rl.io.read_image(out .. "/" .. row.file)).shape)
    assert.same({ 1, 80, 64 }, assert(rl.io.read_image(out .. "/" .. row.saliency)).shape)
  end)

  it("centres on the canvas, fills the range of values, blurs with 75.5 pixels of the original", function()
    src:add(1, 1, { gaze = 0, size = { WIDTH, HEIGHT } })
    src:add(2, 1, { gaze = 0 })
    for _ = 1, 3 do table.insert(src.raw, gaze_row(id_of(1), 1269, 1519, 0, 0.1)) end
    src:write()
    prepare { size = 320 }
    local image = rl.io.read_image(out .. "/images/" .. id_of(1) .. ".png")[1]
    assert.equal(0, image[{ 8, 128 }]:item())
    assert.equal(255, image[{ 9, 128 }]:item())
    assert.equal(255, image[{ 160, 3 }]:item())
    local map = rl.io.read_image(out .. "/saliency/" .. id_of(1) .. ".png")[1]
    local function want(d) return 255 * math.exp(-0.5 * (d * 10 / 75.5) ^ 2) end
    -- the point is the middle of the canvas, between pixels 160 and 161
    for _, d in ipairs { 0.5, 5.5, 10.5, 20.5 } do
      assert.is_close(want(d) / want(0.5) * 255, map[{ 160, 128 + math.floor(d + 0.5) }]:item() * 1.0, 1.5)
    end
    assert.equal("", rl.data.open(out):row(2).saliency)
  end)

  it("finds the original's size where images were exported smaller", function()
    src:add(1, 1, { size = { WIDTH // 2, HEIGHT // 2 } })
    src:add(2, 1)
    src:write()
    prepare()
    local a, b = {}, {}
    for _, f in ipairs(rl.io.read_csv(out .. "/fixations.csv")) do
      table.insert(f.file:find(id_of(1), 1, true) and a or b, tonumber(f.x))
    end
    table.sort(a)
    table.sort(b)
    assert.equal(20, #a)
    -- a picture lies on the canvas to half a pixel of its file, here 10 of the original, 0.25 of the output
    for i = 1, 20 do assert.is_true(math.abs(a[i] - b[i]) < 0.3, ("%g and %g"):format(a[i], b[i])) end
  end)

  it("lists fixations in order of time, in pixels of the image", function()
    src:add(1, 2, { cut = true })
    table.insert(src.fixations, gaze_row(id_of(1), -1, -1, 0.2, 0.1)) -- beside the picture
    table.insert(src.fixations, "1,0,calibration,1,0.5,1.0,0.4,0.4,0.1,0.1,2,1,0.4,10,10\n")
    table.insert(src.fixations, (gaze_row(id_of(1), 900, 900, 0.2, 0.1):gsub("%d+\n", "nan\n")))
    src:write()
    prepare { size = 320 }
    assert.is_true(heard "fixations.csv: 1 rows without usable numbers")
    local rows = rl.io.read_csv(out .. "/fixations.csv")
    assert.equal(20, #rows)
    local before = -1
    for i, f in ipairs(rows) do
      assert.equal(i, tonumber(f.index))
      assert.is_true(tonumber(f.onset) > before)
      before = tonumber(f.onset)
    end
    -- the last one in the file is the first in time: original 1000, 1000 on a canvas 2560 x 3200, a tenth
    assert.is_close((1000.5 + (2560 - WIDTH) // 2) / 10, tonumber(rows[1].x), 0.1)
    assert.is_close((1000.5 + (3200 - HEIGHT) // 2) / 10, tonumber(rows[1].y), 0.1)
    assert.equal("0.20000", rows[1].duration)
  end)

  it("goes on where it was cut short, and gives the same bytes", function()
    for k = 1, 6 do src:add(k, k % 3 + 1) end
    src:write()
    prepare()
    local names = { "manifest.csv", "fixations.csv", "images/" .. id_of(4) .. ".png",
      "saliency/" .. id_of(5) .. ".png" }
    local want = {}
    for i, name in ipairs(names) do want[i] = files.read(out .. "/" .. name) end
    assert.same({ 6, 0, 0 }, { prepare() })
    os.remove(out .. "/manifest.csv")
    os.remove(out .. "/images/" .. id_of(4) .. ".png")
    os.remove(out .. "/saliency/" .. id_of(5) .. ".png")
    local journal = files.read(out .. "/prepared.txt")
    files.write(out .. "/prepared.txt", journal:sub(1, #journal - 20)) -- torn in its last line
    assert.same({ 6, 0, 3 }, { prepare() })
    for i, name in ipairs(names) do assert.is_true(want[i] == files.read(out .. "/" .. name), name) end
    assert.error_matches(function() prepare { size = 160 } end, "was begun with size 80")
  end)

  it("names, leaves out and counts what cannot be used", function()
    src:add(1, 1)
    src:add(2, 0)
    src:add(3, 2, { no_image = true })
    src:add(4, 3, { bright = 15 })
    local cut = src:add(5, 3)
    src:add(6, 3)
    src:write()
    local name = ("%s/files/p2/%s.png"):format(src.dir, cut)
    files.write(name, files.read(name):sub(1, -30))
    assert.same({ 2, 4, 2 }, { prepare() })
    local why = {}
    for _, row in ipairs(rl.io.read_csv(out .. "/left_out.csv")) do why[row.id] = row.why end
    for k, text in pairs { [2] = "marked for 0 of", [3] = "no image of this name",
      [4] = "brightest value is 15", [5] = "cut off" } do
      assert.truthy(why[id_of(k)] and why[id_of(k)]:find(text, 1, true), tostring(why[id_of(k)]))
      assert.is_true(heard(id_of(k)))
    end
    assert.equal(2, #rl.data.open(out))
  end)

  it("makes maps from fixations where the raw samples are missing", function()
    src:add(1, 1)
    src.raw = nil
    src:write()
    prepare()
    assert.is_true(heard "eye_gaze.csv is missing")
    assert.truthy(rl.io.read_image(out .. "/saliency/" .. id_of(1) .. ".png"))
  end)

  it("says which table, column or folder is missing", function()
    assert.error_matches(function() prepare() end, "has no master_sheet.csv")
    src:add(1, 1)
    src:write()
    local function without(file, column, text)
      local whole = files.read(src.dir .. "/" .. file)
      files.write(src.dir .. "/" .. file, (whole:gsub(column, "other", 1)))
      assert.error_matches(function() prepare() end, text)
      files.write(src.dir .. "/" .. file, whole)
    end
    without("master_sheet.csv", "pneumonia", 'master_sheet.csv": column "pneumonia" is missing; the file has')
    without("master_sheet.csv", "patient_id", 'column "patient_id" is missing')
    without("fixations.csv", "FPOGD", 'fixations.csv": column "FPOGD" is missing')
    without("eye_gaze.csv", "X_ORIGINAL", 'eye_gaze.csv": column "X_ORIGINAL" is missing')
    without("eye_gaze.csv", "DICOM_ID,", 'eye_gaze.csv": column "DICOM_ID" is missing')
    local whole = files.read(src.dir .. "/eye_gaze.csv")
    files.write(src.dir .. "/eye_gaze.csv", whole:sub(1, -20))
    assert.error_matches(function() prepare() end, "eye_gaze.csv\":21: the row ends before")
    assert.error_matches(function() prepare { images = src.dir .. "/none" } end, "is no folder")
    assert.error_matches(function() prepare { size = 99 } end, "size 99: the height is a multiple of 5")
    os.remove(src.dir .. "/eye_gaze.csv")
    os.remove(src.dir .. "/fixations.csv")
    assert.error_matches(function() prepare() end, "neither eye_gaze.csv nor fixations.csv")
  end)

  local function has_dcmtk() return (os.execute "command -v dcmj2pnm >/dev/null 2>&1") == true end

  it("takes DICOM through dcmtk", function()
    if not has_dcmtk() then
      pending "dcmj2pnm is not installed"
      return
    end
    local id = src:add(1, 1, { no_image = true })
    src:add(2, 1, { no_image = true })
    src:write()
    files.write(("%s/files/p1/%s.dcm"):format(src.dir, id), dicom(127, 152))
    files.write(("%s/files/p2/%s.dcm"):format(src.dir, id_of(2)), "no DICOM")
    assert.same({ 1, 1, 1 }, { prepare() })
    assert.is_true(heard(id_of(2) .. ": dcmj2pnm cannot convert it: "))
    local image = rl.io.read_image(("%s/images/%s.png"):format(out, id))[1]
    -- the ramp runs over the picture's rows, of which the canvas has 152 in the middle of 160
    assert.is_close(127, image[{ 40, 32 }]:item() * 1.0, 3)
    assert.is_close(254, image[{ 77, 32 }]:item() * 1.0, 3)
    assert.is_nil(io.open(out .. "/converted.png"))
  end)

  it("says how to get the converter for DICOM", function()
    if has_dcmtk() then
      pending "dcmj2pnm is installed"
      return
    end
    local id = src:add(1, 1, { no_image = true })
    src:write()
    files.write(("%s/files/p1/%s.dcm"):format(src.dir, id), "x")
    assert.error_matches(function() prepare() end, "apt-get install dcmtk")
  end)

  it("is a command of the program", function()
    src:add(1, 1)
    src:add(2, 2)
    src:write()
    local code, text = runs.program(("data egd-cxr %q %q --size 40"):format(src.dir, out))
    assert.equal(0, code, text)
    assert.truthy(text:find("2 images ready (2 made now), 0 left out", 1, true), text)
    for line, want in pairs { ["data egd-cxr x"] = "takes two folders", ["data egd x y"] = '"egd"',
      ["data phantom x y"] = "one too many", ["data egd-cxr x y --n 3"] = "--n belongs to phantom",
      ["data phantom x --images y"] = "--images belongs to egd-cxr" } do
      local status, said_so = runs.program(line)
      assert.equal(2, status, line)
      assert.truthy(said_so:find(want, 1, true), said_so)
    end
  end)
end)
