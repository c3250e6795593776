-- fixations.csv: lists in batches, moved as their images are, and maps made from them.
local rl = require "rille"
local files = require "support.files"

local HEAD = "file,subject,index,x,y,onset,duration\n"

describe("fixations", function()
  local dir
  before_each(function()
    dir = files.folder()
    for _, name in ipairs { "a", "b" } do
      rl.io.write_png(("%s/%s.png"):format(dir, name), rl.zeros({ 1, 40, 80 }, { dtype = "u8" }))
    end
    files.write(dir .. "/manifest.csv", "file,label,saliency\na.png,x,\nb.png,x,\n")
  end)
  after_each(function() files.remove(dir) end)

  local function open(text, o)
    files.write(dir .. "/fixations.csv", text)
    return rl.data.open(dir, o)
  end
  local function batch(set, o)
    local l <close> = rl.data.loader(set, o)
    return l:next()
  end

  it("come per image, in pixels of the file or of the sample", function()
    local set = open(HEAD .. "b.png,s1,1,20,10,0.5,0.25\na.png,s2,1,0,0,0,1\nb.png,s1,2,79.5,39.9,1,2\n"
      .. "b.png,s2,1,80,10,0,1\n")
    assert.is_true(set:has_fixations())
    assert.same({ { x = 0, y = 0, onset = 0, duration = 1, subject = "s2" } }, set:fixations(1))
    assert.equal(3, #set:fixations(2))
    local b = batch(set, { size = { 20, 20 }, fixations = true })
    assert.equal(2, #b.fixations)
    assert.same({ { x = 5, y = 5, onset = 0.5, duration = 0.25, subject = "s1" },
      { x = 19.875, y = 19.95, onset = 1, duration = 2, subject = "s1" } }, b.fixations[2])
    assert.is_nil(batch(set, { size = 20 }).fixations)
  end)

  it("do without subject and times, and with onset_s and duration_s", function()
    assert.same({ { x = 3, y = 4, subject = "" } }, open("x,y,file\n3,4,a.png\n"):fixations(1))
    assert.same({ { x = 3, y = 4, subject = "", onset = 1, duration = 2 } },
      open("x,y,file,onset_s,duration_s,note\n3,4,a.png,1,2,n\n"):fixations(1))
  end)

  it("move with the image through flip, turn and crop", function()
    -- a bright spot at the fixation; wherever it comes to lie, the fixation must lie
    local t = rl.zeros({ 1, 64, 64 }, { dtype = "u8" })
    for y = 19, 22 do for x = 43, 46 do t[{ 1, y, x }] = 255 end end
    rl.io.write_png(dir .. "/a.png", t)
    local set = open(HEAD .. "a.png,1,1,44,20,0,1\n")
    local l <close> = rl.data.loader(set, { batch = 1, size = 64, fixations = true, saliency = "fixations",
      sigma = 3, augment = { flip = 0.5, rotate = 30, crop = 0.3 } })
    local cut = 0
    for epoch = 1, 12 do
      for b in l:epoch(epoch) do
        local f = b.fixations[1][1]
        if b.index:tolist()[1] == 1 and f then
          for _, map in ipairs { b.image, b.saliency } do
            local weight, sx, sy = 0, 0, 0
            for y, row in ipairs(map[{ 1, 1 }]:tolist()) do
              for x, v in ipairs(row) do
                weight, sx, sy = weight + v, sx + v * (x - 0.5), sy + v * (y - 0.5)
              end
            end
            -- half a pixel, and what lies beyond the edge
            local near = math.min(f.x, f.y, 64 - f.x, 64 - f.y) > 10
            if near then
              assert.is_close({ f.x, f.y }, { sx / weight, sy / weight }, 0.5)
            end
          end
        elseif b.index:tolist()[1] == 1 then
          cut = cut + 1
        end
      end
    end
    assert.is_true(cut < 6)
  end)

  it("make maps: alike, by duration, and by thirds of each viewer's time", function()
    -- viewer 1 looks for 3 s, viewer 2 for 6 s
    local set = open(HEAD .. "a.png,1,1,10,20,0,1\na.png,1,2,30,20,1,1\na.png,1,3,70,20,2,1\n"
      .. "a.png,2,1,10,20,0,2\na.png,2,2,30,20,2,4\n")
    local function share(map, x) -- of the map within 8 columns of x
      return map[{ {}, { x - 7, x + 8 } }]:sum():item()
    end
    local o = { size = { 40, 80 }, sigma = 2, batch = 2, saliency = "fixations" }
    local function maps()
      local b = batch(set, o)
      local has = b.has_saliency:tolist()
      assert.is_true(has[1] == true or has[1] == 1)
      assert.is_true(has[2] == false or has[2] == 0)
      assert.equal(0, b.saliency[2]:sum():item())
      return b.saliency[1]
    end
    local m = maps()
    assert.same({ 1, 40, 80 }, m.shape)
    assert.is_close({ 0.4, 0.4, 0.2 }, { share(m[1], 10), share(m[1], 30), share(m[1], 70) }, 0.01)
    o.saliency = "duration"
    m = maps()
    assert.is_close({ 3 / 9, 5 / 9, 1 / 9 }, { share(m[1], 10), share(m[1], 30), share(m[1], 70) }, 0.01)
    o.saliency = "thirds"
    m = maps()
    assert.same({ 3, 40, 80 }, m.shape)
    assert.is_close({ 1, 0, 0 }, { share(m[1], 10), share(m[1], 30), share(m[1], 70) }, 0.01)
    assert.is_close({ 0, 1, 0 }, { share(m[2], 10), share(m[2], 30), share(m[2], 70) }, 0.01)
    assert.is_close({ 0, 2 / 3, 1 / 3 }, { share(m[3], 10), share(m[3], 30), share(m[3], 70) }, 0.01)
    for k = 1, 3 do assert.is_close(1, m[k]:sum():item(), 1e-5) end
  end)

  it("blur with sigma in pixels of the file, as wide as a Gaussian is", function()
    local set = open(HEAD .. "a.png,1,1,40,20,0,1\n", { saliency = "duration", sigma = 4 })
    local m = batch(set, { size = { 20, 40 } }).saliency[{ 1, 1 }]
    local top = m[{ 10, 20 }]:item()
    for _, d in ipairs { 1, 2, 3 } do -- file pixels are halves here; values have 8 bits
      local want = math.exp(-0.5 * ((d + 0.5) ^ 2 - 0.25) / 4)
      assert.is_close(want, m[{ 10, 20 - d }]:item() / top, 0.02)
      assert.is_close(want, m[{ 10 - d, 20 }]:item() / top, 0.02)
    end
  end)

  it("give the same bytes whatever the threads, and cached or not", function()
    local want
    local set = open(HEAD .. "a.png,1,1,10,20,0,1\nb.png,1,2,30,20,1,1\n")
    for _, o in ipairs { { threads = 0 }, { threads = 2 }, { threads = 2, cache = 0 } } do
      o.size, o.saliency, o.fixations, o.augment = 32, "thirds", true, { rotate = 20, flip = 0.5 }
      local l <close> = rl.data.loader(set, o)
      local parts = {}
      for epoch = 1, 2 do
        for b in l:epoch(epoch) do
          parts[#parts + 1] = table.concat(b.saliency:reshape({ -1 }):tolist(), ",")
          for _, list in ipairs(b.fixations) do
            for _, f in ipairs(list) do parts[#parts + 1] = ("%.17g %.17g"):format(f.x, f.y) end
          end
        end
      end
      local got = table.concat(parts, "\n")
      want = want or got
      assert.is_true(got == want)
    end
  end)

  it("draw the phantom's own maps again", function()
    local set = rl.data.phantom(dir .. "/p", { train = 3, size = 64 })
    local drawn = batch(set, { size = 64 }).saliency
    local made = batch(set, { size = 64, saliency = "duration", sigma = 0.035 * 64 }).saliency
    for _, cc in ipairs(rl.metrics.cc(made, drawn)) do assert.is_true(cc > 0.999, cc) end
  end)

  it("name file, line and column of what is wrong", function()
    for text, want in pairs {
      [""] = "fixations.csv\": is empty", ["file,x\n"] = '1:1: column "y" is missing',
      [HEAD .. "a.png,1,1,nan,2,0,1\n"] = ':2:11: this is no finite number: "nan"; correct it',
      [HEAD .. "a.png,1,1,1,,0,1\n"] = ':2:13: this is no finite number: ""',
      [HEAD .. "a.png,1,1,1,1e999,0,1\n"] = "no finite number",
      [HEAD .. "a.png,1,1,1,2px,0,1\n"] = 'no finite number: "2px"',
      [HEAD .. "a.png,1,1,1,2,0,-1\n"] = ':2:17: this time is negative: "-1"',
      [HEAD .. "a.png,1,1,1,2\n"] = ":2:1: 5 fields, the header has 7",
      [HEAD .. "c.png,1,1,1,2,0,1\n"] = ":2: none of its 1 rows names an image of the manifest",
    } do
      local set = open(text)
      assert.error_matches(function() set:fixations(1) end, want)
    end
    os.remove(dir .. "/fixations.csv")
    local set = rl.data.open(dir)
    assert.is_false(set:has_fixations())
    assert.error_matches(function() batch(set, { size = 8, fixations = true }) end,
      "does not exist; list them")
  end)

  it("refuse maps that the columns or options do not give", function()
    local bare = open "file,x,y,duration\na.png,1,2,1\n"
    for o, want in pairs { [{ saliency = "thirds" }] = 'saliency = "thirds" needs the column onset',
      [{ saliency = "duration", sigma = -1 }] = "sigma = -1",
      [{ saliency = "density" }] = "saliency = density; it is one of: file, fixations, duration, thirds" } do
      o.size = 8
      assert.error_matches(function() batch(bare, o) end, want)
    end
    local barer = open "file,x,y\na.png,1,2\n"
    assert.error_matches(function() batch(barer, { size = 8, saliency = "duration" }) end,
      "needs the column duration")
    assert.error_matches(function() rl.data.open(dir, { saliency = "thirs" }) end, "saliency = thirs")
  end)
end)
