local rl = require "rille"
local files = require "support.files"

describe("data set inspection", function()
  it("finds nothing wrong with the phantom, and sums it up", function()
    local dir = files.folder()
    local set = rl.data.phantom(dir, { train = 6, val = 3, test = 3, size = 32 })
    local found, about = set:inspect()
    assert.same({}, found)
    assert.same({}, (set:inspect { deep = true }))
    assert.same({ 12, 12, 12, 12, 12 }, { about.rows, about.labelled, about.masks, about.maps, about.groups })
    assert.same({ train = 6, val = 3, test = 3 }, about.splits)
    assert.equal(2, about.counts.train.normal)
    assert.same({ { size = "32x32", n = 12 } }, about.sizes)
    assert.same({ 12, 1 }, { about.fixations.images, about.fixations.subjects })
    files.remove(dir)
  end)

  it("names every planted fault", function()
    local dir = files.folder()
    local set = rl.data.phantom(dir, { train = 9, val = 3, test = 3, size = 32 })
    local function path(i, folder) return ("%s/%s/p%05d.png"):format(dir, folder or "images", i - 1) end
    local function copy(from, to) files.write(path(to), files.read(path(from))) end
    copy(1, 4) -- both normal, both train
    copy(2, 3) -- chf and pneumonia
    copy(7, 10) -- normal, train and val
    rl.io.write_png(path(5), rl.zeros { 32, 32 })
    rl.io.write_png(path(6, "masks"), rl.zeros { 32, 32 })
    rl.io.write_png(path(8, "saliency"), rl.zeros { 32, 32 })
    files.write(path(9), files.read(path(9)):sub(1, 200))
    rl.io.write_png(path(11, "masks"), rl.zeros { 16, 32 })
    for _, folder in ipairs { "images", "masks", "saliency" } do
      rl.io.write_png(path(12, folder), rl.rand { 200, 20 })
    end
    local found = {}
    for _, f in ipairs((set:inspect { deep = true })) do
      if f.kind ~= "fixations" then found[f.index .. " " .. f.kind] = f.message end
    end
    for _, want in ipairs { "4 duplicate", "3 two_labels", "10 split_leak", "5 constant", "6 empty_mask",
      "8 empty_saliency", "9 unreadable", "11 unreadable", "12 odd_size" } do
      assert.truthy(found[want], want)
      found[want] = nil
    end
    assert.same({}, found)
    found = {}
    for _, f in ipairs((set:inspect())) do
      if f.kind ~= "fixations" then found[f.index .. " " .. f.kind] = f.message end
      assert.truthy(f.message:find(";", 1, true), f.message)
    end
    for _, want in ipairs { "4 duplicate", "3 two_labels", "10 split_leak", "11 size", "12 odd_size" } do
      assert.truthy(found[want], want)
      found[want] = nil
    end
    assert.same({}, found)
    files.remove(dir)
  end)

  it("misses no class", function()
    local dir = files.folder()
    local found = rl.data.phantom(dir, { train = 3, val = 1, size = 16 }):inspect()
    assert.equal(3, #found)
    assert.equal('split "val" has no "normal"; give it some, or leave the class out',
      (found[1].message:gsub("chf", "normal")))
    assert.equal("empty_split", found[3].kind)
    files.remove(dir)
  end)
end)
