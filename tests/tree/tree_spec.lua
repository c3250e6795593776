-- The tree is the architecture: who may include what, how long files are, and that every spec mirrors
-- something.
local root = _G.RILLE_ROOT

local function list(pattern)
  local out, p = {}, assert(io.popen(("cd %q && find %s -type f | sort"):format(root, pattern)))
  for line in p:lines() do out[#out + 1] = line end
  p:close()
  return out
end

local function read(file)
  local f <close> = assert(io.open(root .. "/" .. file))
  return f:read "a"
end

local ENGINE = list "engine -name '*.[ch]' -o -path 'engine/*' -name '*.inc'"

describe("the tree", function()
  it("lets only these folders touch what is foreign", function()
    local rules = {
      { "lua.h", "engine/bind/" }, { "lauxlib.h", "engine/bind/" }, { "png.h", "engine/io/" },
      { "jpeglib.h", "engine/io/" }, { "zlib.h", "engine/io/" },
    }
    for _, file in ipairs(ENGINE) do
      local text = read(file)
      for _, rule in ipairs(rules) do
        if text:find("#include <" .. rule[1], 1, true) then
          assert.are.equal(rule[2], file:sub(1, #rule[2]), file .. " includes " .. rule[1])
        end
      end
      if text:find("libopenblas", 1, true) then assert.are.equal("engine/kernels/blas.c", file) end
    end
  end)
  it("has arrows that point down only", function()
    local below = { -- a folder -> what it may include, besides itself and rille.h
      base = {}, tensor = { "base", "kernels", "autograd" }, kernels = { "base" },
      ops = { "base", "tensor", "kernels", "autograd" }, autograd = { "base", "tensor", "kernels", "ops" },
      io = { "base", "tensor" }, data = { "base", "tensor", "kernels", "io" },
    }
    for _, file in ipairs(ENGINE) do
      local folder = file:match "^engine/(%w+)/"
      local allowed = folder and below[folder]
      for target in read(file):gmatch '#include "(%w+)/' do
        local ok = not allowed or target == folder
        for _, name in ipairs(allowed or {}) do ok = ok or name == target end
        assert.is_true(ok, ("%s includes %s/"):format(file, target))
      end
    end
  end)
  it("keeps files short", function()
    local long = {}
    for _, file in ipairs(list "engine lua recipes tests -name '*.lua' -o -name '*.[ch]' -o -name '*.inc'") do
      local _, lines = read(file):gsub("\n", "")
      local most = file:match "^recipes/" and 120 or 800
      if lines > most then long[#long + 1] = ("%s has %d lines, at most %d"):format(file, lines, most) end
    end
    assert.are.same({}, long)
  end)
  it("never multiplies sizes by hand where files are read", function()
    for _, file in ipairs(list "engine/io engine/data -name '*.c'") do
      assert.is_nil(read(file):match "malloc%([^)]-%*", file .. ": use rl_size_mul")
    end
  end)
end)
