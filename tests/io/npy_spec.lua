local rl = require "rille"
local files = require "support.files"

local function npy(dict, data, version)
  local head = dict .. (" "):rep(63 - (#dict + 10) % 64) .. "\n"
  return "\x93NUMPY" .. string.char(version or 1, 0) .. string.pack("<s2", head) .. (data or "")
end
local function dict(descr, order, shape)
  return ("{'descr': %s, 'fortran_order': %s, 'shape': %s, }"):format(descr, order, shape)
end

describe("npy", function()
  local dir
  setup(function() dir = files.folder() end)
  teardown(function() files.remove(dir) end)

  it("returns what was saved, alone and in an npz", function()
    local t = { m = rl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }, none = rl.zeros { 0, 2 }, v = rl.tensor { 7 } }
    for _, dtype in ipairs { "f64", "i64", "i32", "u8", "bool" } do
      t[dtype] = rl.tensor({ 1, 0, 1 }, { dtype = dtype })
    end
    t.turned = t.m:transpose(1, 2)
    assert(rl.io.save(dir .. "/a.npz", t))
    local back = assert(rl.io.load(dir .. "/a.npz"))
    for name, want in pairs(t) do
      assert(rl.io.save(dir .. "/a.npy", want))
      for _, got in ipairs { assert(rl.io.load(dir .. "/a.npy")), back[name] } do
        assert.equal(want.dtype, got.dtype)
        assert.same(want.shape, got.shape)
        assert.same(want:tolist(), got:tolist())
      end
    end
  end)

  it("writes exactly NumPy's bytes", function()
    assert(rl.io.save(dir .. "/b.npy", rl.tensor({ 1, 2, 3 }, { dtype = "f64" })))
    assert.equal(npy(dict("'<f8'", "False", "(3,)"), string.pack("<ddd", 1, 2, 3)),
      files.read(dir .. "/b.npy"))
  end)

  it("converts byte order, column order and narrow types", function()
    local cases = {
      { "'>f4'", "(2,)", string.pack(">ff", 1.5, -2), { 1.5, -2 }, "f32" },
      { "'<f2'", "(2,)", string.pack("<I2I2", 0x3E00, 0x8001), { 1.5, -2 ^ -24 }, "f32" },
      { "'|i1'", "(2,)", string.pack("bb", -1, 5), { -1, 5 }, "i32" },
      { "'>i2'", "(2,)", string.pack(">i2i2", -300, 5), { -300, 5 }, "i32" },
      { "'<u4'", "(1,)", string.pack("<I4", 4294967295), { 4294967295 }, "i64" },
      { "'<i8'", "(np.int64(1),)", string.pack("<i8", -7), { -7 }, "i64" },
    }
    for _, c in ipairs(cases) do
      local t = assert(rl.io.load(files.write(dir .. "/c.npy", npy(dict(c[1], "False", c[2]), c[3]))))
      assert.same(c[4], t:tolist())
      assert.equal(c[5], t.dtype)
    end
    local f = npy(dict("'<i4'", "True", "(2, 3)"), string.pack("<i4i4i4i4i4i4", 1, 4, 2, 5, 3, 6))
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, assert(rl.io.load(files.write(dir .. "/f.npy", f))):tolist())
  end)

  it("refuses malformed files, each with its reason", function()
    local four = "\0\0\0\0"
    local function with(descr, order, shape) return npy(dict(descr, order, shape), four) end
    local cases = {
      { with("'|O'", "False", "(1,)"), "Python objects (pickle)" },
      { with("'<U1'", "False", "(1,)"), "text or records" },
      { with("'<c8'", "False", "(1,)"), "complex" }, { with("'<M8'", "False", "(1,)"), "dates" },
      { with("[('a', '<f4')]", "False", "(1,)"), "structured" },
      { with("'<f4294967300'", "False", "(1,)"), "no dtype" },
      { with("'<f4'", "0", "(1,)"), "fortran_order" }, { with("'<f4'", "False", "(-1,)"), "not a size" },
      { with("'<f4'", "False", "[1]"), "begin with '('" }, { with("'<f4'", "False", "(1 1)"), "comma" },
      { with("'<f4'", "False", "(99999999999999999999,)"), "2^63-1" },
      { with("'<f4'", "False", "(4294967296, 4294967296)"), "overflows" },
      { with("'<f4'", "False", "(0, 4294967296, 4294967296)"), "overflows" },
      { with("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), "more than 8 dims" },
      { with("'<f4'", "False", "(2,)"), "the shape needs 8 bytes, 4 follow" },
      { with("'<f4'", "False", "()") .. "x", "the shape needs 4 bytes, 5 follow" },
      { npy("{'descr': '<f4', 'shape': (1,)}", four), "is missing" },
      { npy("{'descr': '<f4', 'descr': '<f4'}"), "twice" },
      { npy("{'x': 1}"), "unknown key" }, { npy("__import__('os')"), "not a dictionary" },
      { npy(dict("'<f4'", "False", "(1,)") .. "x", four), "something follows" },
      { npy("{}", "", 9), "unknown version" },
      { "\x93NUMPY\1\0\255\255", "longer than 10000" }, { "\x93NUMPY\1\0\99\0{", "cut off" },
      { "\x93NUMPY\1", "cut off" },
      { "\x93NUMPY\2\0\255\255\255\255", "longer than 10000" },
    }
    for i, c in ipairs(cases) do
      files.refuses(rl.io.load, files.write(("%s/m%d"):format(dir, i), c[1]), c[2])
    end
    local pointer = files.write(dir .. "/lfs", "version https://git-lfs.github.com/spec/v1\n")
    files.refuses(rl.io.load_npy, pointer, "git lfs pull")
  end)

  it("finds damage in an npz that only a checksum can show, and every cut", function()
    local name, bad = dir .. "/z.npz", dir .. "/bad.npz"
    assert(rl.io.save(name, { a = rl.tensor { 1, 2, 3 }, b = rl.tensor { 4 } }))
    local bytes = files.read(name)
    local at = bytes:find(string.pack("<fff", 1, 2, 3), 1, true)
    files.refuses(rl.io.load, files.write(bad, files.patch(bytes, at, 1)), "CRC-32")
    for n = 4, #bytes - 1, 11 do files.refuses(rl.io.load, files.write(bad, bytes:sub(1, n)), "bad.npz") end
    local claim = bytes:find("PK\1\2", 1, true) + 24
    files.refuses(rl.io.load, files.write(bad, files.patch(bytes, claim + 3, 64)), "stored, but of two sizes")
    files.refuses(rl.io.load, files.write(bad, (bytes:gsub("a%.npy", "a.dat", 2))), "not an .npy array")
    files.refuses(rl.io.load, files.write(bad, (bytes:gsub("b%.npy", "a.npy"))), "stands twice")
  end)
end)
