local rl = require "rille"
local files = require "support.files"

describe("csv", function()
  local dir
  setup(function() dir = files.folder() end)
  teardown(function() files.remove(dir) end)

  local function read(text) return rl.io.read_csv(files.write(dir .. "/a.csv", text)) end

  it("reads quoted fields, both line ends, a BOM and empty lines", function()
    local rows, names = read '\xEF\xBB\xBFa,b\r\n1,"x,""y""\nz"\r\n\n,\n'
    assert.same({ "a", "b" }, names)
    assert.same({ { a = "1", b = 'x,"y"\nz' }, { a = "", b = "" } }, rows)
  end)
  it("returns what it wrote", function()
    local rows = { { a = 'q"uote', b = "1,5" }, { a = "line\nbreak", b = "" } }
    assert(rl.io.write_csv(dir .. "/w.csv", rows, { "b", "a" }))
    local back, names = rl.io.read_csv(dir .. "/w.csv")
    assert.same(rows, back)
    assert.same({ "b", "a" }, names)
  end)
  it("names line and column of what is wrong", function()
    for text, where in pairs { ["a,b\n1\n"] = ':2:1: 1 fields, the header has 2',
      ['a\n"x'] = ":2:1: a quoted field",
      ['a,b\n1,"x"y\n'] = ":2:6: text follows", ["a,b\n1,x\"\n"] = ":2:4: a quote inside",
      ["a\0b"] = ":1:2: a NUL",
      ['a,b\n"x\ny",z"'] = ":3:5: a quote" } do
      files.refuses(rl.io.read_csv, files.write(dir .. "/b.csv", text), where)
    end
  end)
end)
