-- Loaders: classes equally often, and rows that lack a label, a mask or a map.
local rl = require "rille"
local files = require "support.files"

describe("balanced loader", function()
  local dir, set
  setup(function()
    dir = files.folder()
    local rows = { "file,label,split" }
    local function add(n, label, split)
      for i = 1, n do
        local name = ("%s%s%d.png"):format(label, split, i)
        local t = rl.zeros({ 1, 4, 4 }, { dtype = "u8" })
        t[{ 1, 1, 1 }], t[{ 1, 2, 2 }] = 200, i
        rl.io.write_png(dir .. "/" .. name, t)
        rows[#rows + 1] = ("%s,%s,%s"):format(name, label, split)
      end
    end
    add(13, "a", "train")
    add(3, "b", "train")
    add(1, "c", "train")
    add(4, "", "train")
    add(2, "a", "val")
    files.write(dir .. "/manifest.csv", table.concat(rows, "\n") .. "\n")
    set = rl.data.open(dir)
  end)
  teardown(function() files.remove(dir) end)

  local function loader(o)
    local all = { split = "train", batch = 5, size = 4, balance = true }
    for k, v in pairs(o or {}) do all[k] = v end
    return rl.data.loader(set, all)
  end

  -- Rows of an epoch in order, and how often each label came.
  local function epoch(l, e)
    local rows, labels = {}, { [0] = 0, 0, 0, 0 }
    for b in l:epoch(e) do
      for _, k in ipairs(b.label:tolist()) do labels[k] = labels[k] + 1 end
      table.move(b.index:tolist(), 1, b.index.shape[1], #rows + 1, rows)
    end
    return rows, labels
  end

  it("gives each class equally often, and what has no label once", function()
    local l <close> = loader()
    local a, b, c = 0, 0, 0
    for e = 1, 6 do
      local rows, labels = epoch(l, e)
      assert.equal(21, #rows)
      assert.equal(4, labels[0])
      for k = 1, 3 do assert.is_true(labels[k] == 5 or labels[k] == 6) end
      a, b, c = a + labels[1], b + labels[2], c + labels[3]
    end
    assert.same({ 34, 34, 34 }, { a, b, c }) -- what 17 by 3 leaves over goes round
  end)

  it("takes a class's images in turn, none twice before each came once", function()
    local l <close> = loader()
    local seen = {}
    for e = 0, 12 do
      for _, row in ipairs((epoch(l, e))) do seen[row] = (seen[row] or 0) + 1 end
    end
    local least, most = math.huge, 0
    for row = 1, 13 do least, most = math.min(least, seen[row] or 0), math.max(most, seen[row] or 0) end
    assert.is_true(most - least <= 1, ("%d to %d times"):format(least, most))
  end)

  it("depends on seed and epoch alone, and continues in mid-epoch", function()
    local first, other
    for _, threads in ipairs { 0, 1, 3 } do
      local l <close> = loader { threads = threads }
      local rows = epoch(l, 3)
      epoch(l, 7)
      assert.same(rows, (epoch(l, 3)))
      first = first or rows
      assert.same(first, rows)
      l:restore { epoch = 3, index = 10 }
      local rest = {}
      for b in l:epoch(3) do table.move(b.index:tolist(), 1, b.index.shape[1], #rest + 1, rest) end
      assert.same({ table.unpack(first, 11) }, rest)
    end
    local l <close> = loader { seed = 2 }
    other = epoch(l, 3)
    assert.is_false(table.concat(first, ",") == table.concat(other, ","))
  end)

  it("draws anew for an image that comes again within an epoch", function()
    local l <close> = loader { batch = 21, augment = { brightness = 0.5 } }
    local b, of_c, distinct = l:next(), 0, {}
    for i, k in ipairs(b.label:tolist()) do
      if k == 3 then of_c, distinct[b.image[{ i, 1, 1, 1 }]:item()] = of_c + 1, true end
    end
    local n = 0
    for _ in pairs(distinct) do n = n + 1 end
    assert.is_true(of_c >= 5)
    assert.equal(of_c, n)
  end)

  it("needs labels", function()
    local name = dir .. "/plain"
    assert(os.execute(("mkdir -p '%s'"):format(name)))
    rl.io.write_png(name .. "/x.png", rl.zeros { 4, 4 })
    assert.error_matches(function() rl.data.loader(rl.data.open(name), { size = 4, balance = true }) end,
      "has a label; fill the column label")
  end)

  it("gives weights inverse to how frequent classes are", function()
    assert.is_close({ 17 / 39, 17 / 9, 17 / 3 }, set:class_weights "train", 1e-12)
    assert.same({ 1 / 3, 0, 0 }, set:class_weights "val")
  end)
end)

describe("partly labelled data", function()
  it("says per row what it has", function()
    local dir = files.folder()
    local white = rl.zeros({ 1, 4, 4 }, { dtype = "u8" }) + 255
    for name in ("abcd"):gmatch "." do rl.io.write_png(("%s/%s.png"):format(dir, name), white) end
    files.write(dir .. "/manifest.csv", "file,label,mask,saliency\na.png,x,,\nb.png,,b.png,\nc.png,,,c.png\n"
      .. "d.png,y,d.png,d.png\n")
    local l <close> = rl.data.loader(rl.data.open(dir), { size = 4 })
    local b = l:next()
    local function truth(t)
      local out = {}
      for i, v in ipairs(t:tolist()) do out[i] = v ~= 0 and v ~= false end
      return out
    end
    assert.same({ 1, 0, 0, 2 }, b.label:tolist())
    assert.same({ true, false, false, true }, truth(b.has_label))
    assert.same({ false, true, false, true }, truth(b.has_mask))
    assert.same({ false, false, true, true }, truth(b.has_saliency))
    assert.is_close({ 0, 16, 0, 16 }, b.mask:sum { dim = { -3, -2, -1 } }, 1e-6)
    assert.is_close({ 0, 0, 1, 1 }, b.saliency:sum { dim = { -3, -2, -1 } }, 1e-6)
    files.remove(dir)
  end)
end)
