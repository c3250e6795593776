local rl = require "rille"
local files = require "support.files"

-- PNG files from nothing but stored (uncompressed) blocks, so that rare forms can be written by hand.
local function crc32(s)
  local c = 0xFFFFFFFF
  for i = 1, #s do
    c = c ~ s:byte(i)
    for _ = 1, 8 do c = c >> 1 ~ (c & 1) * 0xEDB88320 end
  end
  return c ~ 0xFFFFFFFF
end
local function chunk(kind, data)
  return string.pack(">I4", #data) .. kind .. data .. string.pack(">I4", crc32(kind .. data))
end
local function zlib(s)
  local a, b = 1, 0
  for i = 1, #s do a = (a + s:byte(i)) % 65521; b = (b + a) % 65521 end
  return "\x78\1\1" .. string.pack("<I2I2", #s, #s ~ 0xFFFF) .. s .. string.pack(">I2I2", b, a)
end
local function png(width, height, depth, colour, rows, extra)
  local head = string.pack(">I4I4BBBBB", width, height, depth, colour, 0, 0, 0)
  return "\x89PNG\r\n\x1a\n" .. chunk("IHDR", head) ..
    (extra or "") .. chunk("IDAT", zlib(rows)) .. chunk("IEND", "")
end

describe("image", function()
  local dir
  setup(function() dir = files.folder() end)
  teardown(function() files.remove(dir) end)

  it("returns what PNG kept: grey and colour", function()
    for channels = 1, 3, 2 do
      local list = {}
      for i = 1, channels * 15 do list[i] = i * 37 % 256 end
      local t = rl.tensor(list, { dtype = "u8" }):reshape { channels, 3, 5 }
      assert(rl.io.write_png(dir .. "/a.jpg", t)) -- the suffix does not matter
      local back = assert(rl.io.read_image(dir .. "/a.jpg"))
      assert.same({ channels, 3, 5 }, back.shape)
      assert.same(t:tolist(), back:tolist())
    end
  end)

  it("writes floats of 0 to 1, cut at both ends", function()
    assert(rl.io.write_png(dir .. "/f.png", rl.tensor { { -1, 0, 0.5, 1, 2 } }))
    assert.same({ { { 0, 0, 128, 255, 255 } } }, rl.io.read_image(dir .. "/f.png"):tolist())
    local function write(t) return function() rl.io.write_png(dir .. "/f.png", t) end end
    assert.error_matches(write(rl.zeros { 2, 3, 4 }), "2x3x4 is no picture")
    assert.error_matches(write(rl.zeros({ 3, 4 }, { dtype = "i64" })), "the dtype is i64")
  end)

  it("keeps its rules for depths, palettes and transparency", function()
    local palette = chunk("PLTE", "\1\2\3\4\5\6") .. chunk("tRNS", "\0\128")
    local cases = {
      { png(2, 1, 16, 0, "\0\255\255\128\0"), { { { 255, 128 } } } },
      { png(4, 1, 1, 0, "\0\xA0"), { { { 255, 0, 255, 0 } } } },
      { png(2, 1, 2, 0, "\0\x60"), { { { 85, 170 } } } },
      { png(2, 1, 8, 3, "\0\1\0", palette), { { { 4, 1 } }, { { 5, 2 } }, { { 6, 3 } } } },
      { png(2, 1, 8, 4, "\0\7\0\9\255"), { { { 7, 9 } } } },
      { png(1, 1, 8, 6, "\0\1\2\3\0"), { { { 1 } }, { { 2 } }, { { 3 } } } },
    }
    for i, c in ipairs(cases) do
      local back = assert(rl.io.load(files.write(dir .. "/r.png", c[1])))
      assert.same(c[2], back:tolist(), "case " .. i)
    end
  end)

  it("names file and row of a file cut off at any byte", function()
    local t = rl.zeros({ 3, 40, 12 }, { dtype = "u8" })
    assert(rl.io.write_png(dir .. "/p", t) and rl.io.write_jpeg(dir .. "/j", t, { quality = 80 }))
    for _, name in ipairs { "/p", "/j" } do
      local bytes = files.read(dir .. name)
      for n = 0, #bytes - 1, name == "/p" and 1 or 5 do
        files.refuses(rl.io.read_image, files.write(dir .. "/cut", bytes:sub(1, n)), "/cut\"")
      end
      files.refuses(rl.io.read_image, dir .. "/cut", "of 40")
    end
  end)

  it("refuses what is no image, or too large a one", function()
    local function refuses(bytes, text)
      files.refuses(rl.io.read_image, files.write(dir .. "/x", bytes), text)
    end
    refuses("", "is empty")
    refuses("GIF89a....", "neither PNG nor JPEG")
    refuses("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n", 'run "git lfs pull"')
    refuses(png(25000, 25000, 8, 0, "\0"), "25000x25000 is 625 Mpixel, limit 64")
    refuses(png(2, 2, 8, 0, "\0\1\2"), "image: ")
    refuses((png(1, 1, 8, 0, "\0\1"):gsub("IDAT", "IDAX")), "image: ")
    files.refuses(rl.io.read_image, dir .. "/none", "No such file")
    files.refuses(rl.io.read_image, dir, "is a folder")
  end)

  it("never crashes on damaged files", function()
    math.randomseed(7)
    local list = {}
    for i = 1, 300 do list[i] = i * 91 % 256 end
    local t = rl.tensor(list, { dtype = "u8" }):reshape { 3, 10, 10 }
    assert(rl.io.write_png(dir .. "/p", t) and rl.io.write_jpeg(dir .. "/j", t))
    for _, name in ipairs { "/p", "/j" } do
      local bytes = files.read(dir .. name)
      for _ = 1, 150 do
        local damaged = files.patch(bytes, math.random(#bytes), math.random(0, 255))
        rl.io.read_image(files.write(dir .. "/d", damaged))
      end
    end
  end)
end)
