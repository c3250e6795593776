local rl = require "rille"
local files = require "support.files"

describe("data set inspection", function()
  it("finds nothing wrong with the phantom", function()
    local dir = files.folder()
    assert.same({}, rl.data.phantom(dir, { train = 6, val = 3, size = 32 }):inspect())
    files.remove(dir)
  end)

  it("names every planted fault", function()
    local dir = files.folder()
    local set = rl.data.phantom(dir, { train = 9, val = 3, size = 32 })
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
    for _, f in ipairs(set:inspect()) do found[f.index .. " " .. f.kind] = f.message end
    for _, want in ipairs { "4 duplicate", "3 two_labels", "10 split_leak", "5 constant", "6 empty_mask",
      "8 empty_saliency", "9 unreadable", "11 unreadable", "12 odd_size" } do
      assert.truthy(found[want], want)
      found[want] = nil
    end
    assert.same({}, found)
    files.remove(dir)
  end)

  it("misses no class", function()
    local dir = files.folder()
    local found = rl.data.phantom(dir, { train = 3, val = 1, size = 16 }):inspect()
    assert.equal(2, #found)
    assert.equal('split "val" has no "normal"', found[1].message:gsub("chf", "normal"))
    files.remove(dir)
  end)
end)
