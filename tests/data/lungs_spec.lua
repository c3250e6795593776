-- Small folders in the published forms of the Montgomery, Shenzhen and JSRT sets, made here.
local rl = require "rille"
local files = require "support.files"
local gif = require "rille.data.gif"

local function unhex(text)
  return (text:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

-- 5 x 4 pixels: two columns of white on black; plain and interlaced. Written by Pillow 13.
local GIF = unhex("47494638376105000400810000000000ffffff0000000000002c00"
  .. "0000000500040000080f000100081040e0c08202091a541810003b")
local INTERLACED = unhex("47494638376105000400810000000000ffffff0000000000002c00"
  .. "0000000500040000080f000100081040e0c08202091a541810003b")
local WHITE_AT = { [3] = true, [4] = true }

describe("lung sets", function()
  local src, out, said
  before_each(function()
    src, out, said = files.folder(), files.folder(), {}
  end)
  after_each(function()
    files.remove(src)
    files.remove(out)
  end)

  local function put(path, bytes)
    assert(os.execute(("mkdir -p '%s'"):format((src .. "/" .. path):match "^(.*)/")))
    files.write(src .. "/" .. path, bytes)
  end
  local function picture(path, height, width, from, to, value) -- columns from..to hold `value`
    assert(os.execute(("mkdir -p '%s'"):format((src .. "/" .. path):match "^(.*)/")))
    local x = rl.full({ 1, height, width }, 10, { dtype = "u8" })
    if from <= to then x[{ 1, {}, { from, to } }] = value or 255 end
    rl.io.write_png(src .. "/" .. path, x)
  end
  local function prepare(name, size)
    return rl.data.lungs(name, src, out, { size = size or 16, say = function(t) said[#said + 1] = t end })
  end
  local function read(file) return assert(rl.io.read_image(out .. "/" .. file)) end

  it("montgomery: both lungs in one mask, classes by the last digit, the longer side as asked", function()
    for k = 1, 20 do
      local name = ("MCUCXR_%04d_%d"):format(k, k % 2)
      picture("MontgomerySet/CXR_png/" .. name .. ".png", 40, 32, 5, 20, 200)
      picture("MontgomerySet/ManualMask/leftMask/" .. name .. ".png", 40, 32, 3, 8)
      picture("MontgomerySet/ManualMask/rightMask/" .. name .. ".png", 40, 32, 25, 30)
    end
    assert.same({ 20, 20, 0 }, { prepare("montgomery", 20) })
    local set = rl.data.open(out)
    assert.same({ "normal", "tuberculosis" }, set.classes)
    assert.same({ 14, 2, 4 }, { set:count "train", set:count "val", set:count "test" })
    assert.same({ 7, 7, normal = 7, tuberculosis = 7 }, set:class_counts "train")
    local row = set:row(1)
    assert.same({ "32", "40", "tuberculosis" }, { row.orig_width, row.orig_height, row.label })
    assert.same({ 1, 20, 16 }, read(row.file).shape)
    -- columns 3 to 8 of 32 are 2 to 4 of 16, columns 25 to 30 are 13 to 15
    assert.same({ 0, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 0 },
      read(row.mask)[{ 1, 7, {} }]:tolist())
  end)
  it("shenzhen: masks where there are some, a bad file is left out and listed", function()
    for k = 1, 6 do
      local name = ("CHNCXR_%04d_%d"):format(k, k % 2)
      picture("ChinaSet_AllFiles/CXR_png/" .. name .. ".png", 16, 16, 1, 8)
      if k > 2 then picture("masks/mask/" .. name .. "_mask.png", 16, 16, 1, 8) end
    end
    put("ChinaSet_AllFiles/CXR_png/CHNCXR_0007_1.png", "no picture")
    assert.same({ 6, 4, 1 }, { prepare "shenzhen" })
    assert.truthy(said[1]:find("CHNCXR_0007_1: ", 1, true))
    assert.truthy(files.read(out .. "/left_out.csv"):find("CHNCXR_0007_1", 1, true))
    local set = rl.data.open(out)
    assert.equal("", set:row(1).mask)
    assert.equal(255, read(set:row(3).mask)[{ 1, 1, 8 }]:item())
  end)
  it("jsrt: raw images turned bright, masks of the SCR database", function()
    local row = ("\x0F\xFF"):rep(1024) .. ("\0\0"):rep(1024) -- left half 4095, right half 0
    put("All247images/JPCLN001.IMG", row:rep(2048))
    put("All247images/JPCNN001.IMG", ("\x08\0"):rep(2048 * 2048))
    put("All247images/JPCNN002.IMG", "short")
    put("scratch/fold1/masks/left lung/JPCLN001.gif", GIF)
    put("scratch/fold1/masks/right lung/JPCLN001.gif", INTERLACED)
    put("scratch/fold1/masks/heart/JPCLN001.gif", "not a lung, not read")
    assert.same({ 2, 1, 1 }, { prepare("jsrt", 20) })
    local rows = assert(rl.io.read_csv(out .. "/manifest.csv"))
    assert.same({ "nodule", "normal" }, { rows[1].label, rows[2].label })
    local image = read(rows[1].file)
    assert.same({ 0, 255 }, { image[{ 1, 1, 1 }]:item(), image[{ 1, 1, 20 }]:item() })
    assert.equal(127, read(rows[2].file)[{ 1, 3, 3 }]:item())
    local mask = read(rows[1].mask)[{ 1, 10, {} }]:tolist() -- column c of 5 is four of 20
    for x = 1, 20 do assert.equal(WHITE_AT[(x + 3) // 4] and 255 or 0, mask[x]) end
    assert.truthy(said[1]:find("it has 5 bytes", 1, true))
  end)
  it("say what is missing", function()
    assert.error_matches(function() prepare "jsrt" end, "has no image named like JPCLN001.IMG")
    assert.error_matches(function() rl.data.lungs("jsrt", src .. "/none", out) end, "is no folder")
    assert.error_matches(function() rl.data.lungs("jsrd", src, out) end, "it is one of: montgomery")
  end)
end)

describe("gif", function()
  it("reads plain and interlaced pictures", function()
    for _, text in ipairs { GIF, INTERLACED } do
      local pixels, width, height = gif(text)
      assert.same({ 5, 4 }, { width, height })
      for i = 0, 19 do assert.equal(WHITE_AT[i % 5 + 1] and 255 or 0, pixels:byte(i + 1)) end
    end
  end)
  it("refuses what is damaged, wherever it is cut or changed, without raising", function()
    assert.same({ nil, "is no GIF file" }, { gif "PNG" })
    for cut = 1, #GIF - 3 do assert.is_nil((gif(GIF:sub(1, cut)))) end
    for at = 1, #GIF do
      for _, byte in ipairs { 0, 7, 128, 255 } do
        gif(GIF:sub(1, at - 1) .. string.char(byte) .. GIF:sub(at + 1))
      end
    end
  end)
end)
