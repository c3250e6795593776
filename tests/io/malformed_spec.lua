-- Files of every format, spoilt in eight ways by a seed: each gives a value, or nil, a message that names the
-- file and a code; nothing is raised, nothing is kept. The sanitised build runs this too.
local files = require "support.files"
local rl = require "rille"

local EACH = 120

-- A byte replaced or flipped, a cut, a part taken out, doubled or zeroed, a number made huge.
local SPOILS = {
  function(b, at) return files.patch(b, at, math.random(0, 255)) end,
  function(b, at) return files.patch(b, at, b:byte(at) ~ 1 << math.random(0, 7)) end,
  function(b, at) return b:sub(1, at - 1) end,
  function(b, at, n) return b:sub(1, at - 1) .. b:sub(at + n) end,
  function(b, at, n) return b:sub(1, at + n) .. b:sub(at) end,
  function(b, at, n) return b:sub(1, at - 1) .. ("\0"):rep(n) .. b:sub(at + n) end,
  function(b, at) return b:sub(1, at - 1) .. "\255\255\255\127" .. b:sub(at + 4) end,
  function(b) return (b:gsub("%d+", math.random(2) == 1 and "99999999999999999999" or "-1", 1)) end,
}

local function spoilt(bytes)
  local at, n = math.random(#bytes), math.random(16)
  local out = SPOILS[math.random(#SPOILS)](bytes, at, n)
  return math.random(4) == 1 and #out > 0 and SPOILS[1](out, math.random(#out)) or out
end

describe("malformed files", function()
  local dir
  setup(function() dir = files.folder() end)
  teardown(function() files.remove(dir) end)

  local list = {}
  for i = 1, 300 do list[i] = i * 91 % 256 end
  local x = rl.tensor(list, { dtype = "u8" }):reshape { 3, 10, 10 }
  local formats = {
    png = { function(f) return rl.io.write_png(f, x) end, rl.io.read_image },
    jpg = { function(f) return rl.io.write_jpeg(f, x, { quality = 90 }) end, rl.io.read_image },
    csv = { function(f)
      return rl.io.write_csv(f, { { file = "a.png", label = 'x, "y"', split = "train" },
        { file = "b.png", label = "z\nz", split = "val" } }, { "file", "label", "split" })
    end, rl.io.read_csv },
    safetensors = { function(f)
      local tensors = { w = rl.ones { 3, 4 }, ["a.b"] = x, n = rl.tensor { 1.5 } }
      return rl.io.save_safetensors(f, tensors, { k = "v" })
    end, rl.io.load_safetensors },
    npy = { function(f) return rl.io.save(f, rl.ones { 3, 4 }) end, rl.io.load },
    npz = { function(f) return rl.io.save(f, { a = rl.ones { 3 }, b = rl.zeros { 2, 2 } }) end, rl.io.load },
  }
  for kind, f in pairs(formats) do
    it(("of %s, %d of them, are read or refused with their name"):format(kind, EACH), function()
      math.randomseed(20)
      local good = dir .. "/good." .. kind
      assert(f[1](good))
      assert(f[2](good))
      local bytes, bad, refused = files.read(good), dir .. "/bad." .. kind, 0
      for k = 1, EACH do
        local value, why, code = f[2](files.write(bad, spoilt(bytes)))
        if value == nil then
          refused = refused + 1
          assert.is_truthy(why:find("bad." .. kind, 1, true), k .. ": " .. tostring(why))
          assert.are.equal("string", type(code))
        end
      end
      assert.is_truthy(refused > EACH / 4, refused)
    end)
    if kind ~= "csv" then -- whose shorter texts are tables, too
      it(("of %s, cut anywhere, are refused"):format(kind), function()
        local good, bad = dir .. "/good." .. kind, dir .. "/cut." .. kind
        assert(f[1](good))
        local bytes = files.read(good)
        for at = #bytes - 1, 0, -7 do
          files.refuses(f[2], files.write(bad, bytes:sub(1, at)), "cut." .. kind)
        end
      end)
    end
  end
end)
