local rl = require "rille"
local files = require "support.files"

local function made(header, data) -- a file from parts
  return string.pack("<I8", #header) .. header .. (data or "")
end

describe("safetensors", function()
  local dir
  setup(function() dir = files.folder() end)
  teardown(function() files.remove(dir) end)

  it("returns what was saved: dtypes, shapes, strides, metadata", function()
    local t = { ["layer.weight"] = rl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }, none = rl.zeros { 0, 3 } }
    for _, dtype in ipairs { "f64", "i64", "i32", "u8", "bool" } do
      t[dtype] = rl.tensor({ 1, 0, 1 }, { dtype = dtype })
    end
    t.turned = t["layer.weight"]:transpose(1, 2)
    assert(rl.io.save(dir .. "/a.safetensors", t, { step = "12", note = "\u{e9}" }))
    local back, meta = assert(rl.io.load(dir .. "/a.safetensors"))
    assert.same({ step = "12", note = "\u{e9}" }, meta)
    for name, want in pairs(t) do
      assert.equal(want.dtype, back[name].dtype)
      assert.same(want.shape, back[name].shape)
      assert.same(want:tolist(), back[name]:tolist())
    end
  end)

  it("writes the same bytes for the same tensors", function()
    local a, b = rl.tensor { 1, 2 }, rl.tensor { 3 }
    assert(rl.io.save(dir .. "/1.safetensors", { a = a, b = b, c = a }, { x = "1", y = "2" }))
    assert(rl.io.save(dir .. "/2.safetensors", { c = a, b = b, a = a }, { y = "2", x = "1" }))
    assert.equal(files.read(dir .. "/1.safetensors"), files.read(dir .. "/2.safetensors"))
    assert.equal(0, string.unpack("<I8", files.read(dir .. "/1.safetensors")) % 8)
  end)

  it("reads half precision", function()
    local name = files.write(dir .. "/half.safetensors",
      made('{"b":{"dtype":"BF16","shape":[2],"data_offsets":[6,10]},' ..
        '"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]}}',
        string.pack("<I2I2I2I2I2", 0x3C00, 0xC000, 0x0001, 0x3F80, 0xC040)))
    local t = assert(rl.io.load(name))
    assert.same({ 1, -2, 2 ^ -24 }, t.h:tolist())
    assert.same({ 1, -3 }, t.b:tolist())
  end)

  it("finds every flipped bit of the data, and every cut", function()
    local name = dir .. "/c.safetensors"
    assert(rl.io.save(name, { a = rl.tensor { 1, 2, 3 }, b = rl.tensor { 4 } }, { k = "v" }))
    local bytes, bad = files.read(name), dir .. "/bad.safetensors"
    local data = 8 + string.unpack("<I8", bytes)
    for at = data + 1, #bytes do
      files.refuses(rl.io.load, files.write(bad, files.patch(bytes, at, bytes:byte(at) ~ 4)), "CRC-32")
    end
    for n = 0, #bytes - 1, 7 do
      files.refuses(rl.io.load, files.write(bad, bytes:sub(1, n)), "bad.safetensors")
    end
    files.refuses(rl.io.load, files.write(bad, bytes .. "x"), "bytes follow the last tensor")
  end)

  it("refuses malformed headers, each with its reason", function()
    local one = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}%s}'
    local function entry(dtype, shape, offsets)
      return ('{"a":{"dtype":%s,"shape":%s,"data_offsets":%s}}'):format(dtype, shape, offsets)
    end
    local data = ("\0"):rep(8)
    local cases = {
      { "", "too short" }, { ("\255"):rep(8), "longer than the file" }, { made "{1", "not valid JSON" },
      { made "[]", "begin with '{'" }, { made '{"a":1}', "not an object" }, { made "", "header is empty" },
      { made('{"\xff":1}'), "not UTF-8" }, { made((one):format(',"a":1'), data:sub(1, 4)), "not an object" },
      { made(one:format ',"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}', data), "stands twice" },
      { made(entry('"F99"', "[1]", "[0,4]"), data), 'dtype "F99" is not supported' },
      { made(entry("7", "[1]", "[0,4]"), data), "dtype is not a string" },
      { made(entry('"F32"', "[-1]", "[0,4]"), data), "shape is not a list" },
      { made(entry('"F32"', "[1.0]", "[0,4]"), data), "shape is not a list" },
      { made(entry('"F32"', "[9223372036854775808]", "[0,4]"), data), "shape is not a list" },
      { made(entry('"F32"', "[1,1,1,1,1,1,1,1,1]", "[0,4]"), data), "more than 8" },
      { made(entry('"F32"', "[4294967296,4294967296]", "[0,8]"), data), "overflows" },
      { made(entry('"F32"', "[0,4294967296,4294967296]", "[0,0]")), "overflows" },
      { made(entry('"F32"', "[2]", "[0,4]"), data:sub(1, 4)), "2 F32 needs 8 bytes, data_offsets give 4" },
      { made(entry('"F32"', "[1]", "[4,0]"), data), "end before they begin" },
      { made(entry('"F32"', "[2]", "[0,8]"), data:sub(1, 4)), "leave the file" },
      { made(entry('"F32"', "[1]", "[4,8]"), data), "a gap" },
      { made(entry('"F32"', "[1]", "[0,4,8]"), data), "more than 2" },
      { made(entry('"F32"', "[1]", "[0]"), data), "needs two numbers" },
      { made('{"a":{"dtype":"F32","shape":[1]}}'), "is missing" },
      { made('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}', data), "unknown key" },
      { made('{"a":{"dtype":"F32","dtype":"F32"}}'), "a key stands twice" },
      { made(one:format ',"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}', data:sub(1, 4)), "overlap" },
      { made('{"__metadata__":{"a":1}}'), "not a string" }, { made('{"__metadata__":[]}'), "not an object" },
      { made('{"__metadata__":{},"__metadata__":{}}'), "stands twice" },
      { made('{"a":' .. ("["):rep(40)), "not an object" },
      { "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull" },
      { "\128\2}q\1", "too short" }, { "\128\2}q\1.......", "pickle" },
    }
    for i, case in ipairs(cases) do
      files.refuses(rl.io.load, files.write(("%s/m%d"):format(dir, i), case[1]), case[2])
    end
  end)

  it("keeps the old file when saving fails", function()
    local name = dir .. "/keep.safetensors"
    assert(rl.io.save(name, { a = rl.tensor { 1 } }))
    local before = files.read(name)
    assert.error_matches(function() rl.io.save(name, { a = 1 }) end, "names and tensors")
    files.refuses(function(f) return rl.io.save(f, { a = rl.tensor { 1 } }) end,
      dir .. "/no/x.safetensors", "cannot create")
    assert.equal(before, files.read(name))
  end)
end)
