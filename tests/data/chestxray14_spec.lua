-- A small folder in the published form of ChestX-ray14, made here.
local files = require "support.files"
local rl = require "rille"
local runs = require "support.runs"

local HEAD = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
  .. "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"

local function name_of(patient, k) return ("%08d_%03d.png"):format(patient, k) end

-- 20 patients with two images each, of which five are of the test list; images in two folders.
local function source()
  local src, rows, train, test = files.folder(), { HEAD }, {}, {}
  for patient = 1, 20 do
    for k = 0, 1 do
      local name = name_of(patient, k)
      local findings = k == 0 and "No Finding" or patient % 2 == 0 and "Cardiomegaly|Effusion" or "Mass"
      rows[#rows + 1] = ("%s,%s,%d,%d,%03dY,F,PA,2682,2749,0.143,0.143,\n"):format(name, findings, k, patient,
        50 + k)
      table.insert(patient > 15 and test or train, name)
      local dir = src .. (patient <= 10 and "/images_001/images" or "/images_002/images")
      assert(os.execute(("mkdir -p %q"):format(dir)))
      rl.io.write_png(dir .. "/" .. name, rl.full({ k == 0 and 1 or 3, 40, 40 }, 0.5 + 0.02 * patient))
    end
  end
  files.write(src .. "/Data_Entry_2017.csv", table.concat(rows))
  files.write(src .. "/train_val_list.txt", table.concat(train, "\n") .. "\n")
  files.write(src .. "/test_list.txt", table.concat(test, "\r\n"))
  return src
end

describe("chestxray14", function()
  local src, dir
  before_each(function() src, dir = source(), files.folder() end)
  after_each(function()
    files.remove(src)
    files.remove(dir)
  end)
  local quiet = { size = 32, say = function() end }

  it("keeps the published test list, and takes a tenth of the other patients for validation", function()
    assert.same({ 40, 0, 40 }, { rl.data.chestxray14(src, dir, quiet) })
    local set = rl.data.open(dir)
    assert.same({ 26, 4, 10 }, { set:count "train", set:count "val", set:count "test" })
    local first = set:row(2)
    assert.same({ "images/00000001_001.png", "Mass", "1", "051Y", "F", "PA" },
      { first.file, first.findings, first.group, first.age, first.sex, first.view })
    local image = rl.io.read_image(dir .. "/images/" .. name_of(20, 1))
    assert.same({ 1, 32, 32 }, image.shape)
    assert.is_close(rl.full({ 1, 32, 32 }, 230), image:to "f32", 1) -- 0.9 of 255
    local labels = require "rille.data.labels".new(set, "findings")
    assert.same({ "Cardiomegaly", "Effusion", "Mass", "No Finding" }, labels.names)
  end)
  it("goes on where it was cut short, and lists what is left out", function()
    rl.data.chestxray14(src, dir, quiet)
    os.remove(dir .. "/images/" .. name_of(3, 0))
    os.remove(src .. "/images_001/images/" .. name_of(4, 0))
    files.write(src .. "/images_001/images/" .. name_of(3, 0), "no picture")
    assert.same({ 38, 2, 0 }, { rl.data.chestxray14(src, dir, quiet) })
    local list = files.read(dir .. "/left_out.csv")
    assert.truthy(list:find(name_of(4, 0) .. ",there is no image of this name", 1, true))
    assert.truthy(list:find(name_of(3, 0), 1, true))
  end)
  it("says what a folder lacks", function()
    os.remove(src .. "/test_list.txt")
    assert.error_matches(function() rl.data.chestxray14(src, dir, quiet) end, "has no test_list.txt")
    files.write(src .. "/test_list.txt", "\n")
    assert.error_matches(function() rl.data.chestxray14(src, dir, quiet) end, "names no image")
    assert.error_matches(function() rl.data.chestxray14(src .. "/none", dir) end, "is no folder")
    local code, text = runs.program(("data chestxray14 %s"):format(src))
    assert.equal(2, code)
    assert.truthy(text:find("chestxray14 takes two folders", 1, true))
    runs.clean()
  end)
end)
