-- Two data sets as one.
local rl = require "rille"
local files = require "support.files"

describe("join", function()
  local root, said
  before_each(function()
    root, said = files.folder(), {}
    for name, seed in pairs { one = 1, two = 2 } do
      rl.data.phantom(root .. "/" .. name, { n = 10, size = 16, seed = seed })
    end
  end)
  after_each(function() files.remove(root) end)
  local function join(a, b, to)
    return rl.data.join(root .. "/" .. a, root .. "/" .. b, root .. "/" .. to,
      { say = function(text) said[#said + 1] = text end })
  end

  it("keeps splits, labels, masks and bytes, and tells patients of the same name apart", function()
    local a, b, both = rl.data.open(root .. "/one"), rl.data.open(root .. "/two"), join("one", "two", "both")
    assert.are.equal(a.n + b.n, both.n)
    for _, split in ipairs { "train", "val", "test" } do
      assert.are.equal(a:count(split) + b:count(split), both:count(split))
    end
    local first, row = b:row(1), both:row(a.n + 1)
    assert.are.equal("two/" .. first.file, row.file)
    assert.are.equal("two/" .. first.group, row.group)
    assert.are.equal(first.label, row.label)
    for _, column in ipairs { "file", "mask", "saliency" } do
      assert.are.equal(files.read(root .. "/two/" .. first[column]),
        files.read(root .. "/both/" .. row[column]))
    end
    for _, finding in ipairs((both:inspect { deep = true })) do -- so few patients that a split lacks a class
      assert.are.equal("missing_class", finding.kind, finding.message)
    end
  end)
  it("says what stays behind", function()
    join("one", "two", "both")
    for _, text in ipairs(said) do assert.truthy(text:find "fixations of %a+ are left behind") end
    assert.are.equal(2, #said)
  end)
  it("joins sets of different columns", function()
    files.write(root .. "/two/manifest.csv", "file,findings\n" .. rl.data.open(root .. "/two"):row(1).file
      .. ",Mass|Nodule\n")
    local both = join("one", "two", "both")
    assert.are.equal("Mass|Nodule", both:row(both.n).findings)
    assert.are.equal("", both:row(1).findings)
  end)
  it("refuses a folder that is taken, and two of one name", function()
    join("one", "two", "both")
    assert.has_error(function() join("one", "two", "both") end,
      ('join: "%s/both" holds a data set already; name another folder'):format(root))
    assert(os.execute(("mkdir %q && cp -r %q %q"):format(root .. "/x", root .. "/one", root .. "/x")))
    assert.has_error(function() join("one", "x/one", "other") end,
      'join: both folders are called "one"; rename one')
  end)
end)
