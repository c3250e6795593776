local files = require "support.files"
local json = require "rille.util.json"
local rl = require "rille"
local views = rl.data.views

local JITTER = { crop = { 0.2, 1 }, flip = 0.5, rotate = 20, jitter = 0.8, brightness = 0.4, contrast = 0.4,
  saturation = 0.2, hue = 0.1, grayscale = 0.2, blur = 0.5, solarize = 0.3 }

local function bytes(t)
  local flat = t:reshape { -1 }:tolist()
  return string.pack(("f"):rep(#flat), table.unpack(flat))
end

describe("views", function()
  local dir, set
  setup(function()
    dir = files.folder()
    set = rl.data.phantom(dir, { train = 9, val = 2, test = 2, size = 16, seed = 5 })
  end)
  teardown(function() files.remove(dir) end)

  local function loader(opts)
    local o = { split = "train", batch = 4, size = 12, shuffle = true, seed = 3,
      views = { JITTER, { flip = 0.5, blur = 0.1 } } }
    for k, v in pairs(opts or {}) do o[k] = v end
    return rl.data.loader(set, o)
  end

  it("make of a draw what other programs make of it", function()
    local golden = json.decode(files.read(_G.RILLE_ROOT .. "/tests/golden/views.json"))
    for _, case in ipairs(golden.cases) do
      local image = rl.tensor(golden.images[tostring(case.image)], { dtype = "u8" })
      local got = views.apply(image, case.draw, case.size, case.channels)
      assert.same({ 1, case.channels, case.size[1], case.size[2] }, got.shape)
      assert.is_close(case.view, got:reshape { -1 }, 2e-6) -- f32; the file has six digits
    end
  end)
  it("depend on seed, epoch, image and view alone", function()
    local at = { seed = 7, epoch = 2, index = 5, view = 1, width = 100, height = 80 }
    local first = views.draw(JITTER, at)
    assert.same(first, views.draw(JITTER, at))
    for key, other in pairs { seed = 8, epoch = 3, index = 6, view = 2 } do
      local changed = {}
      for k, v in pairs(at) do changed[k] = v end
      changed[key] = other
      assert.is_false(first.x == views.draw(JITTER, changed).x and first.y == views.draw(JITTER, changed).y)
    end
  end)
  it("are drawn as often and as far as their options say", function()
    local n, count, order, area = 2000, { flip = 0, grayscale = 0, blur = 0, solarize = 0, jitter = 0 }, 0, 0
    for i = 1, n do
      local d = views.draw(JITTER, { index = i, width = 64, height = 64 })
      for name in pairs(count) do
        local is = d[name]
        if name == "blur" then is = d.sigma > 0 elseif name == "jitter" then is = #d.order > 0 end
        count[name] = count[name] + (is and 1 or 0)
      end
      order = order + (d.order[1] == "hue" and 1 or 0)
      assert.is_true(d.brightness >= 0.6 and d.brightness <= 1.4 and math.abs(d.hue) <= 0.1)
      assert.is_true(d.x >= 1 and d.y >= 1 and d.x + d.width <= 65 and d.y + d.height <= 65)
      assert.is_true(d.width / d.height > 0.7 and d.width / d.height < 1.43)
      assert.is_true(math.abs(d.angle) <= math.rad(20))
      area = area + d.width * d.height / 64 ^ 2
    end
    for name, n_of in pairs(count) do assert.is_close(JITTER[name], n_of / n, 0.04) end -- 3.5 deviations
    assert.is_close(0.2, order / n, 0.04) -- a quarter of the jittered
    assert.is_close(0.57, area / n, 0.05) -- 0.6, less what did not fit
  end)
  it("come from the loader as drawn for the row, beside the image itself", function()
    local l <close> = loader { channels = 3, mean = { 0.5, 0.4, 0.3 }, std = 0.25 }
    for b in l:epoch(2) do
      assert.equal(2, #b.views)
      for i, row in ipairs(b.index:tolist()) do
        local file = rl.io.read_image(dir .. "/" .. b.file[i])
        local d = views.draw(JITTER, { seed = 3, epoch = 2, index = row, view = 1, width = 16, height = 16 })
        local want = views.apply(file, d, 12, 3)[1]
        local mean = rl.tensor({ 0.5, 0.4, 0.3 }):reshape { 3, 1, 1 }
        assert.is_close(((want - mean) / 0.25):reshape { -1 }, b.views[1][i]:reshape { -1 }, 1e-5)
      end
    end
  end)
  it("are the same bytes for 0, 1 and 3 threads, with and without the cache, and after a seek", function()
    local want = {}
    for _, o in ipairs { { threads = 0 }, { threads = 1 }, { threads = 3 }, { threads = 3, cache = 0 } } do
      local l <close> = loader(o)
      for epoch = 1, 2 do
        local parts = {}
        for b in l:epoch(epoch) do parts[#parts + 1] = bytes(b.views[1]) .. bytes(b.views[2]) end
        want[epoch] = want[epoch] or parts
        assert.same(want[epoch], parts)
      end
    end
    assert.is_true(want[1][1] ~= want[2][1])
    local l <close> = loader()
    l:restore { epoch = 2, index = 4 }
    local b = l:epoch(2)(l)
    assert.is_true(want[2][2] == bytes(b.views[1]) .. bytes(b.views[2]))
  end)
  it("refuse options that make no sense", function()
    local cases = { [{ flip = 2 }] = "flip = 2 is not between 0 and 1", [{ hue = 0.6 }] = "hue = 0.6",
      [{ crop = { 0.5, 0.2 } }] = "crop = 0.5 to 0.2; it runs upwards", [{ kernel = 4 }] = "kernel = 4",
      [{ blurr = 1 }] = 'unknown option "blurr"; did you mean "blur"' }
    for o, text in pairs(cases) do assert.error_matches(function() loader { views = { o } } end, text) end
    assert.error_matches(function() loader { views = { flip = 0.5 } } end, "a list with a table per view")
    local image = rl.zeros({ 1, 4, 4 }, { dtype = "u8" })
    local d = views.draw({}, { width = 9, height = 9 })
    d.width = 9
    assert.error_matches(function() views.apply(image, d, 4) end, "crop does not lie within the image of 4x4")
  end)
end)
