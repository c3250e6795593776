local rl = require "rille"
local files = require "support.files"

describe("data set", function()
  local dir
  before_each(function()
    dir = files.folder()
    assert(os.execute(("mkdir -p '%s/img'"):format(dir)))
    for _, name in ipairs { "a", "b", "c" } do rl.io.write_png(("%s/img/%s.png"):format(dir, name),
      rl.zeros { 2, 2 }) end
  end)
  after_each(function() files.remove(dir) end)

  local function open(manifest, opts)
    files.write(dir .. "/manifest.csv", manifest)
    return rl.data.open(dir, opts)
  end

  it("sorts the labels of train, counts, and keeps further columns", function()
    local set = open("file,label,split,age\nimg/a.png,wolf,train,7\nimg/b.png,ant,train,8\n" ..
      "img/c.png,wolf,test,9\n")
    assert.same({ "ant", "wolf" }, set.classes)
    assert.equal(2, set:count "train")
    assert.equal(3, #set)
    assert.same({ 1, 1, ant = 1, wolf = 1 }, set:class_counts "train")
    local row, class = set:row(3)
    assert.same({ file = "img/c.png", label = "wolf", split = "test", age = "9" }, row)
    assert.equal(2, class)
  end)

  it("takes the classes as given, and leaves labels out on request", function()
    local text = "file,label\nimg/a.png,x\nimg/b.png,y\nimg/c.png,z\n"
    assert.same({ "z", "y", "x" }, open(text, { classes = { "z", "y", "x" } }).classes)
    local set = open(text, { leave_out = { "y" } })
    assert.same({ "x", "z" }, set.classes)
    assert.equal(2, set.n)
    assert.error_matches(function() open(text, { classes = { "x", "y" } }) end, '4: label "z" is not among')
    assert.error_matches(function() open(text, { clases = {} }) end,
      'unknown option "clases"; did you mean "classes"?')
  end)

  it("takes several labels as one on request", function()
    local text = "file,label,split\nimg/a.png,x,train\nimg/b.png,y,train\nimg/c.png,z,test\n"
    local set = open(text, { merge = { w = { "x", "z" } } })
    assert.same({ "w", "y" }, set.classes)
    assert.equal("w", set:row(3).label)
    assert.same({ 1, 1, w = 1, y = 1 }, set:class_counts "train")
    assert.error_matches(function() open(text, { merge = { w = { "x", "q" } } }) end,
      'merge: no row is labelled "q"; correct the name')
    assert.error_matches(function() open(text, { merge = { "x" } }) end, "merge is a table { NEW =")
  end)

  it("reads a folder without a manifest, in order of names", function()
    local set = rl.data.open(dir .. "/img")
    assert.equal(3, set.n)
    assert.equal("b.png", set:row(2).file)
    assert.error_matches(function() rl.data.open(dir) end, "has neither manifest.csv nor")
    assert.error_matches(function() rl.data.open(dir .. "/none") end, "No such file")
  end)

  it("names file, line and column of what is wrong", function()
    local cases = {
      { "", "is empty" }, { "file\n", "has no rows" }, { "label\nx\n", ':1:1: column "file" is missing' },
      { "file,file\na,a\n", ":1:6: two columns are called" }, { "file,label\nimg/a.png\n", ":2:1: 1 fields" },
      { "label,file\nx,\n", ":2:3: no file is named" },
      { "file\nimg/no.png\n", ':2: image "img/no.png" does not' },
      { "file,mask\nimg/a.png,x\nimg/b.png,y\n", ':2: mask "x" does not exist, and 1 more' },
      { "file\n../x.png\n", ":2:1: a path leaves" }, { "file\n/etc/passwd\n", ":2:1: a path leaves" },
      { "file,mask\nimg/a.png,img/../../x\n", ":2:11: a path leaves" }, { "file\nimg\n", "does not exist" },
      { "file,split\nimg/a.png,tset\n", ':2:11: unknown split "tset"; use train' },
      { "file,split,group\nimg/a.png,train,p\nimg/b.png,test,p\n",
      ':3: group "p" is in split "test", but in "train" at' },
      { "file,split\nimg/a.png,train\nimg/a.png,val\n", ':3: image "img/a.png" is in split "val"' },
      { "file,label,split\nimg/a.png,x,train\nimg/b.png,y,val\n",
      ':3: label "y" is not among the 1 classes of train' },
      { 'file\n"img/a.png\n', ":2:1: a quoted field" }, { "file\nimg/\0.png\n", ":2:5: a NUL" },
    }
    for _, c in ipairs(cases) do assert.error_matches(function() open(c[1]) end, c[2]) end
  end)

  it("follows links only inside the folder", function()
    local outside = files.folder()
    rl.io.write_png(outside .. "/x.png", rl.zeros { 2, 2 })
    local links = "ln -s '%s/x.png' '%s/l.png' && ln -s '%s' '%s/d' && ln -s img/a.png '%s/in.png'"
    assert(os.execute(links:format(outside, dir, outside, dir, dir)))
    assert.error_matches(function() open "file\nl.png\n" end, "is a link out of the folder")
    assert.error_matches(function() open "file\nd/x.png\n" end, "is a link out of the folder")
    assert.equal(1, open("file\nin.png\n").n)
    files.remove(outside)
  end)
end)
