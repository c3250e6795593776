local rl = require "rille"
local files = require "support.files"

local AUGMENT = { flip = 0.5, rotate = 10, crop = 0.2, brightness = 0.1, contrast = 0.2 }

-- Everything of an epoch's batches as one text: equal texts mean equal bytes.
local function bytes(loader, epoch)
  local out = {}
  for b in loader:epoch(epoch) do
    local parts = { table.concat(b.file, ","), table.concat(b.label:tolist(), ",") }
    for _, name in ipairs { "image", "mask", "saliency" } do
      local flat = b[name]:reshape { -1 }:tolist()
      parts[#parts + 1] = string.pack(("f"):rep(#flat), table.unpack(flat))
    end
    out[#out + 1] = table.concat(parts, "|")
  end
  return table.concat(out, "\n")
end

describe("loader", function()
  local dir, set
  setup(function()
    dir = files.folder()
    set = rl.data.phantom(dir, { train = 11, val = 2, test = 3, size = 16, seed = 5 })
  end)
  teardown(function() files.remove(dir) end)

  local function loader(opts)
    local o = { split = "train", batch = 4, size = 16, shuffle = true, augment = AUGMENT, seed = 3 }
    for k, v in pairs(opts or {}) do o[k] = v end
    return rl.data.loader(set, o)
  end

  it("gives every sample once per epoch, with shapes as promised", function()
    local l <close> = loader()
    local seen, n = {}, 0
    for b in l:epoch(1) do
      local size = b.image.shape[1]
      n = n + size
      assert.same({ size, 1, 16, 16 }, b.image.shape)
      assert.same({ size, 1, 16, 16 }, b.mask.shape)
      for i, row in ipairs(b.index:tolist()) do
        assert.is_nil(seen[row])
        seen[row] = true
        local cells, class = set:row(row)
        assert.equal(cells.file, b.file[i])
        assert.equal(class, b.label:tolist()[i])
        assert.is_close(1, b.saliency[i]:sum():item(), 1e-5)
      end
    end
    assert.equal(11, n)
    assert.equal(3, #l)
  end)

  it("keeps to the rows it is given, of its split", function()
    local l <close> = loader { rows = { 3, 5, 7, 12 }, batch = 8 }
    local rows = l:next().index:tolist()
    table.sort(rows)
    assert.same({ 3, 5, 7 }, rows) -- row 12 is in val
    assert.equal(3, l.samples)
    assert.error_matches(function() loader { rows = { 12 } } end, "no row of")
    assert.error_matches(function() loader { rows = { 99 } } end, "loader: rows: row")
  end)
  it("gives the same bytes for 0, 1 and 3 threads, with and without its cache", function()
    local want = {}
    for _, o in ipairs { { threads = 0 }, { threads = 1 }, { threads = 3 }, { threads = 3, cache = 0 } } do
      local l <close> = loader(o)
      for epoch = 1, 3 do
        local got = bytes(l, epoch)
        want[epoch] = want[epoch] or got
        assert.is_true(got == want[epoch])
      end
    end
    assert.is_true(want[1] ~= want[2])
  end)

  it("continues in mid-epoch from a saved state with the very same batches", function()
    local a <close> = loader { threads = 1 }
    local b <close> = loader { threads = 2 }
    local whole = bytes(a, 2)
    a:epoch(2)(a)
    local state = a:state()
    assert.same({ epoch = 2, index = 4 }, state)
    b:restore(state)
    local rest = bytes(b, 2)
    assert.is_true(#rest > 0 and #rest < #whole and whole:sub(-#rest) == rest)
    assert.is_true(whole == bytes(b, 2)) -- not resumed any more: from the start
    assert.error_matches(function() b:restore { epoch = 1, index = 12 } end, "it has 11")
  end)

  it("goes from epoch to epoch with next(), nil between them", function()
    local l <close> = loader { batch = 6 }
    local sizes = {}
    for i = 1, 6 do
      local b = l:next()
      sizes[i] = b and b.image.shape[1] or 0
    end
    assert.same({ 6, 5, 0, 6, 5, 0 }, sizes)
    assert.equal(3, l:state().epoch)
    local whole <close> = loader { batch = 6, drop_last = true }
    assert.equal(1, #whole)
    assert.truthy(whole:next())
    assert.is_nil(whole:next())
  end)

  it("repeats grey, averages colour, resizes and normalises", function()
    local name = dir .. "/other"
    assert(os.execute(("mkdir -p '%s'"):format(name)))
    rl.io.write_png(name .. "/c.png", rl.tensor({ 10, 20, 60 }, { dtype = "u8" }):reshape { 3, 1, 1 })
    rl.io.write_png(name .. "/g.png", rl.tensor({ { 0, 255, 0, 255 }, { 100, 100, 100, 100 } },
      { dtype = "u8" }))
    local other = rl.data.open(name)
    local function first(o)
      local l <close> = rl.data.loader(other, o)
      return l:next().image
    end
    assert.is_close({ 30 / 255, 227 / 510 }, first { size = 1 }, 0.002)
    assert.is_close({ 10 / 255, 20 / 255, 60 / 255 }, first({ size = 1, channels = 3 })[1], 1e-6)
    assert.is_close({ { 0.5, 0.5 }, { 100 / 255, 100 / 255 } }, first({ size = 2 })[2], 0.002)
    assert.is_close({ (30 / 255 - 0.5) / 0.25 }, first({ size = 1, mean = 0.5, std = 0.25 })[1], 1e-6)
  end)

  it("shares one draw between image, mask and map", function()
    local name = dir .. "/twins"
    assert(os.execute(("mkdir -p '%s'"):format(name)))
    local t = rl.zeros({ 1, 32, 32 }, { dtype = "u8" })
    for y = 5, 14 do for x = 3, 20 do t[{ 1, y, x }] = 255 end end
    rl.io.write_png(name .. "/t.png", t)
    files.write(name .. "/manifest.csv", "file,mask,saliency\nt.png,t.png,t.png\n")
    local l <close> = rl.data.loader(rl.data.open(name), { size = 32, augment = { flip = 1, rotate = 20,
      crop = 0.2 } })
    for epoch = 1, 4 do
      for b in l:epoch(epoch) do
        local away = (b.image - b.mask):abs():sum():item() / b.mask:sum():item()
        assert.is_true(away < 0.2, "image and mask differ by " .. away)
        assert.is_close(b.image:reshape { -1 } / b.image:sum(), b.saliency:reshape { -1 }, 1e-3)
      end
    end
  end)

  it("stops at a bad file and names it, or skips, counts and lists it", function()
    local name = dir .. "/bad"
    assert(os.execute(("mkdir -p '%s'"):format(name)))
    for i = 1, 5 do rl.io.write_png(("%s/%d.png"):format(name, i), rl.zeros { 4, 4 }) end
    local whole = files.read(name .. "/3.png")
    files.write(name .. "/3.png", whole:sub(1, 50))
    local bad = rl.data.open(name)
    for threads = 0, 2 do
      local stop <close> = rl.data.loader(bad, { size = 4, threads = threads, batch = 2 })
      assert.truthy(stop:next())
      assert.error_matches(function() stop:next() end, '3.png": cut off')
      local skip <close> = rl.data.loader(bad, { size = 4, threads = threads, batch = 2, on_bad = "skip" })
      for epoch = 1, 2 do
        local got = {}
        for b in skip:epoch(epoch) do got[#got + 1] = table.concat(b.index:tolist(), ",") end
        assert.same({ "1,2", "4,5" }, got)
      end
      assert.equal(1, #skip:bad())
      assert.equal(3, skip:bad()[1].index)
    end
    files.write(name .. "/4.png", "x")
    local l <close> = rl.data.loader(bad, { size = 4, on_bad = "skip" })
    assert.error_matches(function() l:next() end, "more than 1 % of 5 files")
  end)

  it("refuses options that make no sense", function()
    local cases = { [{ batch = 0 }] = "batch = 0", [{ channels = 2 }] = "channels = 2",
      [{ size = 0 }] = "size 0x0",
      [{ split = "tran" }] = 'split "tran"', [{ std = 0 }] = "std = 0", [{ on_bad = "no" }] = "on_bad",
      [{ augment = { rotat = 1 } }] = 'unknown option "rotat"', [{ augment = { crop = 2 } }] = "crop = 2",
      [{ threads = 99 }] = "threads = 99" }
    for o, text in pairs(cases) do assert.error_matches(function() rl.data.loader(set, o) end, text) end
    local empty = rl.data.open(dir .. "/other")
    assert.error_matches(function() rl.data.loader(empty, { split = "val" }) end, 'in split "val"')
  end)
end)
