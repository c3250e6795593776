-- Mistakes people make with data folders. Each is answered with what is wrong, where, and what to do.
local rl = require "rille"
local files = require "support.files"

local HEAD = "file,label,split,mask,saliency,group\n"
local GOOD = HEAD .. "a.png,x,train,m.png,,p1\nb.png,y,train,,s.png,p2\nc.png,x,val,,,p3\nd.png,y,val,,,p4\n"
  .. "e.png,x,test,,,p5\nf.png,y,test,,,p6\n"
local GAZE = "file,subject,index,x,y,onset,duration\n"

local function use(o) -- decodes everything
  return function(dir)
    local l <close> = rl.data.loader(rl.data.open(dir), o)
    for _ in l:epoch(1) do l.seen = true end
  end
end
local all = use { size = 8, threads = 0 }
local function gaze(dir) return rl.data.open(dir):fixations(1) end
local function look(dir) -- findings, as one text
  local out = {}
  for i, f in ipairs((rl.data.open(dir):inspect())) do out[i] = f.message end
  error(table.concat(out, "\n"), 0)
end
local function deep(dir)
  local out = {}
  for i, f in ipairs((rl.data.open(dir):inspect { deep = true })) do out[i] = f.message end
  error(table.concat(out, "\n"), 0)
end

-- Changes of a good folder.
local function put(name, text) return function(dir) files.write(dir .. "/" .. name, text) end end
local function copy(from, to)
  return function(dir) files.write(dir .. "/" .. to, files.read(dir .. "/" .. from)) end
end
local function picture(name, height, width)
  return function(dir) rl.io.write_png(dir .. "/" .. name, rl.zeros { height, width }) end
end
local function gazes(text) return put("fixations.csv", text) end

-- The mistake; the manifest's text, or a change of a good folder; what is called then (default: open); where
-- and what the message says.
local MISTAKES = {
  { "a folder that is not there", function(dir) files.remove(dir) end, where = "DIR", what = "No such file" },
  { "a folder without manifest and images", function(dir) os.execute(("rm -r '%s'/*"):format(dir)) end,
    where = "DIR", what = "neither manifest.csv nor PNG" },
  { "an empty manifest", "", where = "manifest.csv", what = "is empty" },
  { "a manifest of one line", HEAD, where = "manifest.csv", what = "has no rows" },
  { "no column file", "image,label\na.png,x\n",
    where = "manifest.csv\":1:1", what = 'column "file" is missing' },
  { "letters swapped in a column", "file,lable\na.png,x\n", where = "manifest.csv\":1:6",
    what = 'unknown column "lable"; did you mean "label"?' },
  { "a column in the plural", "file,Labels\na.png,x\n", where = ":1:6", what = 'did you mean "label"?' },
  { "a column twice", "file,label,label\na.png,x,y\n", where = ":1:12", what = "two columns are called" },
  { "a row cut short", "file,label\na.png\n", where = ":2:1", what = "1 fields, the header has 2" },
  { "a comma in a file's name", "file,label\na,b.png,x\n", where = ":2:1", what = "3 fields" },
  { "a row without a file", "file,label\n,x\n", where = ":2:1", what = "no file is named" },
  { "a wrong word for a split", "file,split\na.png,training\n", where = ":2:7",
    what = 'unknown split "training"; use train, val or test' },
  { "an image that is missing", "file\na.png\nz.png\ny.png\n", where = ":3",
    what = 'image "z.png" does not exist, and 1 more' },
  { "a mask that is missing", "file,mask\na.png,z.png\n",
    where = ":2", what = 'mask "z.png" does not exist' },
  { "an absolute path", "file\n/data/a.png\n", where = ":2:1", what = "a path leaves the folder" },
  { "a path beside the folder", "file,mask\na.png,../m.png\n", where = ":2:7", what = "a path leaves" },
  { "a link out of the folder", function(dir)
    os.execute(("ln -s /etc/hostname '%s/l.png'"):format(dir))
    files.write(dir .. "/manifest.csv", "file\nl.png\n")
  end, where = ":2", what = "is a link out of the folder" },
  { "a folder named as an image", "file\nsub\n", where = ":2", what = 'image "sub" does not exist' },
  { "a patient in two splits", "file,split,group\na.png,train,p1\nb.png,test,p1\n", where = ":3",
    what = 'group "p1" is in split "test", but in "train" at line 2; put it in one split' },
  { "an image listed twice", "file,label,group\na.png,x,p\nb.png,x,p\na.png,x,p\n", where = ":4",
    what = 'image "a.png" is listed at line 2 already' },
  { "an image with two labels", "file,label\na.png,x\na.png,y\n", where = ":3",
    what = 'labelled "y", but "x" at line 2' },
  { "a label that train lacks", "file,label,split\na.png,x,train\nb.png,z,val\n", where = ":3",
    what = 'label "z" is not among the 1 classes of train' },
  { "a quote that is not closed", 'file,label\na.png,"x\nb.png,y\n', where = "manifest.csv\":2:7",
    what = "quoted field" },
  { "classes that leave one out", GOOD, function(dir) rl.data.open(dir, { classes = { "x" } }) end,
    where = ":3", what = 'label "y" is not among the 1 classes given' },
  { "no row in train", "file,label,split\na.png,x,val\nb.png,y,val\n", use { size = 8, split = "train" },
    where = "DIR", what = 'no row of "DIR" is in split "train"' },
  { "a wrong word asked of a loader", GOOD, use { size = 8, split = "validation" }, where = "data",
    what = 'split "validation" is none of train, val, test' },
  { "an image cut off", function(dir)
    files.write(dir .. "/c.png", files.read(dir .. "/c.png"):sub(1, 60))
  end, all, where = "c.png", what = "cut off" },
  { "an image with a damaged byte", function(dir)
    files.write(dir .. "/c.png", files.patch(files.read(dir .. "/c.png"), 50, 0xA5))
  end, all, where = "c.png", what = "" },
  { "an empty image", put("c.png", ""), all, where = "c.png",
    what = "is empty" },
  { "a web page saved as an image", put("c.png", "<html>404"), all,
    where = "c.png", what = "neither PNG nor JPEG" },
  { "an image left in Git LFS", put("c.png", "version https://git-lfs.github.com/spec/v1\noid sha256:"
    .. ("0"):rep(64) .. "\nsize 1234\n"), all, where = "c.png", what = "git lfs pull" },
  { "a mask of another size", picture("m.png", 8, 4), all,
    where = "m.png", what = "this mask is 4x8, its image 8x8" },
  { "a map of another size", picture("s.png", 4, 4), look,
    where = "s.png", what = "this saliency map is 4x4, its image b.png 8x8" },
  { "an image that is seen to be none before a run", put("d.png", "GIF89a"),
    look, where = "d.png", what = "neither PNG nor JPEG" },
  { "one picture in two splits", copy("a.png", "e.png"),
    look, where = "e.png", what = 'is in split "test", but the same picture a.png in "train"' },
  { "one picture under two labels", copy("a.png", "b.png"),
    look, where = "b.png", what = 'is labelled "y", but the same picture a.png "x"' },
  { "a class that val lacks", "file,label,split\na.png,x,train\nb.png,y,train\nc.png,x,val\ne.png,x,test\n",
    look, where = "val", what = 'split "val" has no "y"' },
  { "no patients named", "file,label,split\na.png,x,train\nc.png,x,val\ne.png,x,test\n", look,
    where = "manifest.csv", what = "names no group, so one patient may be in two splits" },
  { "a mask with nothing in it", picture("m.png", 8, 8), deep,
    where = "a.png", what = "its mask is empty" },
  { "classes to balance, but no labels", "file\na.png\nb.png\n", use { size = 8, balance = true },
    where = "label", what = "balance = true, but no row" },
  { "maps from fixations that are not there", GOOD, use { size = 8, saliency = "duration" },
    where = "fixations.csv", what = "does not exist" },
  { "fixations without a column", gazes("file,x\na.png,1\n"),
    gaze, where = "fixations.csv\":1:1", what = 'column "y" is missing' },
  { "NaN in fixations", gazes(GAZE .. "a.png,1,1,NaN,2,0,1\n"),
    gaze, where = "fixations.csv\":2:11", what = 'no finite number: "NaN"' },
  { "a negative duration", gazes(GAZE .. "a.png,1,1,1,2,0,-1\n"),
    gaze, where = ":2:17", what = "this time is negative" },
  { "a decimal comma", gazes(GAZE .. "a.png,1,1,1,5,2,0,1\n"),
    gaze, where = ":2:1", what = "8 fields, the header has 7" },
  { "fixations of other files", gazes(GAZE .. "images/a.png,1,1,1,2,0,1\n"), gaze,
    where = ":2", what = "none of its 1 rows names an image" },
  { "fixations of some other files", gazes(GAZE .. "a.png,1,1,1,2,0,1\nA.png,1,1,1,2,0,1\n"), look,
    where = "fixations.csv\":3", what = "1 rows name no image of the manifest" },
  { "fixations in another picture's pixels", gazes(GAZE .. "a.png,1,1,1,2,0,1\na.png,1,2,900,2,0,1\n"), look,
    where = "a.png", what = "1 of its 2 fixations lie outside its 8x8 pixels" },
  { "thirds without onsets", gazes("file,x,y,duration\na.png,1,2,1\n"), use { size = 8, saliency = "thirds" },
    where = "fixations.csv", what = "needs the column onset" },
}

describe("a mistake in a data folder:", function()
  local dir
  before_each(function()
    dir = files.folder()
    os.execute(("mkdir '%s/sub'"):format(dir))
    for i, name in ipairs { "a", "b", "c", "d", "e", "f", "m", "s" } do
      local t = rl.zeros({ 1, 8, 8 }, { dtype = "u8" })
      t[{ 1, i, 1 }], t[{ 1, 1, 8 }] = 255, i
      rl.io.write_png(("%s/%s.png"):format(dir, name), t)
    end
    files.write(dir .. "/manifest.csv", GOOD)
  end)
  after_each(function() files.remove(dir) end)

  it("none, to begin with", function()
    all(dir)
    assert.same({}, (rl.data.open(dir):inspect()))
  end)

  for _, m in ipairs(MISTAKES) do
    it(m[1], function()
      if type(m[2]) == "string" then files.write(dir .. "/manifest.csv", m[2]) else m[2](dir) end
      local ok, said = pcall(m[3] or rl.data.open, dir)
      assert.is_false(ok, "nothing was said")
      local line
      for one in (said .. "\n"):gmatch "([^\n]*)\n" do
        if one:find((m.what:gsub("DIR", dir)), 1, true) then line = line or one end
      end
      assert.truthy(line, said)
      assert.truthy(line:find((m.where:gsub("DIR", dir)), 1, true), "where? " .. line)
      assert.truthy(line:find "; %l" or line:find "; use", "what to do? " .. line)
      assert.is_nil(line:find("/lua/rille/", 1, true), line)
      assert.is_true(#line < 320, line)
    end)
  end
end)
