-- Windows that are cut from pictures (resize) and how augment moves them. In the pictures here a pixel's
-- value tells its place, so that a window tells where it was cut.
local rl = require "rille"
local files = require "support.files"

local WIDTH, HEIGHT, SIZE = 33, 24, 16

local function picture(f, channels)
  local t = rl.zeros({ channels, HEIGHT, WIDTH }, { dtype = "u8" })
  for y = 0, HEIGHT - 1 do
    for x = 0, WIDTH - 1 do
      for c = 1, channels do t[{ c, y + 1, x + 1 }] = f(x, y, c) end
    end
  end
  return t
end
local function in_mask(x, y) return (x * 7 + y * 5) % 11 < 5 end

-- Where the pixel in row i, column j of sample n was cut: its column and its row, from 0.
local function place(batch, n, i, j)
  local function v(c) return math.tointeger(batch.image[{ n, c, i, j }]:item() * 255 // 0.5 + 1) // 2 end
  return v(1), v(2)
end

describe("windows", function()
  local dir, set
  setup(function()
    dir = files.folder()
    rl.io.write_png(dir .. "/place.png", picture(function(x, y, c) return ({ x, y, 0 })[c] end, 3))
    rl.io.write_png(dir .. "/mask.png", picture(function(x, y) return in_mask(x, y) and 255 or 0 end, 1))
    rl.io.write_png(dir .. "/map.png", picture(function(x, y) return x + y end, 1))
    rl.io.write_png(dir .. "/ramp.png", picture(function(x, y) return 4 * x + 5 * y end, 1))
    files.write(dir .. "/manifest.csv", "file,mask,saliency,split\nplace.png,mask.png,map.png,train\n" ..
      "ramp.png,,,test\n")
    files.write(dir .. "/fixations.csv", "file,subject,x,y\nplace.png,a,8.25,4.5\nplace.png,a,3,2\n")
    set = rl.data.open(dir)
  end)
  teardown(function() files.remove(dir) end)

  local function loader(o)
    local all = { split = "train", size = SIZE, resize = HEIGHT, channels = 3, threads = 0 }
    for k, v in pairs(o) do all[k] = v end
    return rl.data.loader(set, all)
  end
  local function first(o, epoch)
    local l <close> = loader(o)
    return l:epoch(epoch or 1)(l)
  end

  it("lie in the middle without augment, mask, map and fixations alike", function()
    local b = first { fixations = true }
    local left, top, sum = 8, 4, 0 -- 8.5 and 4, rounded to even as torchvision's CenterCrop
    for i = 1, SIZE do
      for j = 1, SIZE do
        local x, y = left + j - 1, top + i - 1
        assert.same({ x, y }, { place(b, 1, i, j) })
        assert.equal(in_mask(x, y) and 1 or 0, b.mask[{ 1, 1, i, j }]:item())
        sum = sum + x + y
      end
    end
    assert.is_close((left + top) / sum, b.saliency[{ 1, 1, 1, 1 }]:item(), 1e-6)
    assert.equal(1, #b.fixations[1]) -- the other was cut off
    assert.is_close({ 0.25, 0.5 }, { b.fixations[1][1].x, b.fixations[1][1].y }, 1e-9)
  end)

  it("lie anywhere with augment, whole, and as often mirrored as asked for", function()
    local l <close> = loader { augment = { flip = 0.5, vertical = 0.25 } }
    local lefts, tops, flips, turns, N = {}, {}, 0, 0, 400
    for epoch = 1, N do
      local b = l:epoch(epoch)(l)
      local x1, y1 = place(b, 1, 1, 1)
      local x2, y2 = place(b, 1, SIZE, SIZE)
      assert.same({ SIZE - 1, SIZE - 1 }, { math.abs(x2 - x1), math.abs(y2 - y1) })
      assert.equal(in_mask(x1, y1) and 1 or 0, b.mask[{ 1, 1, 1, 1 }]:item())
      assert.equal(in_mask(x2, y2) and 1 or 0, b.mask[{ 1, 1, SIZE, SIZE }]:item())
      lefts[math.min(x1, x2)], tops[math.min(y1, y2)] = true, true
      flips, turns = flips + (x2 < x1 and 1 or 0), turns + (y2 < y1 and 1 or 0)
    end
    for x = 0, WIDTH - SIZE do assert.is_true(lefts[x]) end -- 18 places in 400 draws: missed once in 1e8
    for y = 0, HEIGHT - SIZE do assert.is_true(tops[y]) end
    assert.is_true(math.abs(flips / N - 0.5) < 0.1 and math.abs(turns / N - 0.25) < 0.1) -- four deviations
  end)

  it("are the same bytes for any number of threads", function()
    local want
    for threads = 0, 3 do
      local l <close> = loader { threads = threads, augment = { vertical = 0.5, rotate = 20, crop = 0.5 } }
      local parts = {}
      for epoch = 1, 4 do
        local b = l:epoch(epoch)(l)
        for _, name in ipairs { "image", "mask", "saliency" } do
          parts[#parts + 1] = table.concat(b[name]:reshape({ -1 }):tolist(), " ")
        end
      end
      local got = table.concat(parts, "\n")
      want = want or got
      assert.is_true(got == want)
    end
  end)

  -- On a ramp the interpolation is exact, and the ramp's rise from pixel to pixel tells the enlargement.
  it("are enlarged by crop, around the middle where centred", function()
    local function ramp(centred, epoch)
      local b = first({ split = "test", channels = 1, augment = { crop = 0.5, centred = centred } }, epoch)
      local v = b.image[{ 1, 1 }] * 255
      local last = SIZE - 1 -- the outermost pixels may repeat the picture's edge
      local zoom = (v[{ 2, last }]:item() - v[{ 2, 2 }]:item()) / (4 * (last - 2))
      assert.is_close(zoom, (v[{ last, 2 }]:item() - v[{ 2, 2 }]:item()) / (5 * (last - 2)), 1e-5)
      assert.is_true(zoom >= 0.5 and zoom <= 1)
      return zoom, v:mean():item()
    end
    local middle, zooms, means = 4 * (WIDTH - 1) / 2 + 5 * (HEIGHT - 1) / 2, {}, {}
    for epoch = 1, 8 do
      local zoom, mean = ramp(true, epoch)
      assert.is_close(middle, mean, 1e-4)
      local same, away = ramp(false, epoch)
      assert.is_close(zoom, same, 1e-5) -- of an own draw
      zooms[epoch], means[epoch] = zoom, math.abs(away - middle)
    end
    assert.is_true(math.max(table.unpack(zooms)) - math.min(table.unpack(zooms)) > 0.2)
    assert.is_true(math.max(table.unpack(means)) > 5)
  end)

  it("are cut from the picture as a loader of the resized size sees it", function()
    local whole, b = first { size = { 16, 22 }, resize = false }, first { size = 12, resize = 16 }
    assert.is_close(whole.image[{ {}, {}, { 3, 14 }, { 6, 17 } }], b.image, 0)
    assert.is_close(whole.mask[{ {}, {}, { 3, 14 }, { 6, 17 } }], b.mask, 0)
  end)

  it("refuse to be larger than the picture", function()
    assert.error_matches(function() loader { resize = 15 } end, "resize = 15; the side that 16x16")
    assert.error_matches(function() loader { augment = { vertical = 2 } } end, "vertical = 2")
  end)
end)
