local rl = require "rille"
local files = require "support.files"

describe("phantom", function()
  it("draws patient i the same, whatever else is drawn", function()
    local dir = files.folder()
    rl.data.phantom(dir .. "/a", { train = 2, val = 1, size = 32, seed = 9 })
    rl.data.phantom(dir .. "/b", { n = 10, size = 32, seed = 9 })
    for _, name in ipairs { "images", "masks", "saliency" } do
      local file = ("/%s/p00002.png"):format(name)
      assert.equal(files.read(dir .. "/a" .. file), files.read(dir .. "/b" .. file))
    end
    assert.same(rl.io.read_image(dir .. "/b/images/p00002.png"):tolist(),
      rl.data.phantom_patient(3, { size = 32, seed = 9 }).image:tolist())
    assert.error_matches(function() rl.data.phantom(dir .. "/a", {}) end, "has a manifest.csv already")
    files.remove(dir)
  end)

  it("balances its classes, and lists fixations inside the picture", function()
    local dir = files.folder()
    local set = rl.data.phantom(dir .. "/new/folder", { train = 6, test = 3, size = 16 })
    assert.same({ 2, 2, 2, chf = 2, normal = 2, pneumonia = 2 }, set:class_counts "train")
    assert.equal(3, set:count "test")
    for _, f in ipairs(rl.io.read_csv(set.dir .. "/fixations.csv")) do
      assert.is_true(tonumber(f.x) >= 0 and tonumber(f.x) < 16 and tonumber(f.y) >= 0 and tonumber(f.y) < 16)
      assert.is_true(tonumber(f.duration) > 0.1 and tonumber(f.duration) < 1)
    end
    files.remove(dir)
  end)

  it("darkens lungs, and varies", function()
    local seen = {}
    for i = 1, 6 do
      local p = rl.data.phantom_patient(i, { size = 48 })
      local image, mask, inside, outside, n = p.image:reshape { -1 }:tolist(),
        p.mask:reshape { -1 }:tolist(), 0, 0, 0
      for k = 1, #image do
        if mask[k] == 255 then inside, n = inside + image[k], n + 1 else outside = outside + image[k] end
      end
      assert.is_true(n > 0.12 * #image and n < 0.6 * #image)
      assert.is_true(inside / n < outside / (#image - n))
      assert.is_nil(seen[n .. ":" .. inside])
      seen[n .. ":" .. inside] = true
    end
  end)

  it("refuses sizes and counts out of range", function()
    assert.error_matches(function() rl.data.phantom_patient(1, { size = 8 }) end, "size 8")
    assert.error_matches(function() rl.data.phantom_patient(0) end, "positions start at 1")
    assert.error_matches(function() rl.data.phantom("/tmp/never", { n = -1 }) end, "phantom: ")
  end)
end)
