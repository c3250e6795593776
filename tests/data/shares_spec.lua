local files = require "support.files"
local rl = require "rille"
local shares = require "rille.data.shares"

describe("shares of labels", function()
  local dir, set
  setup(function()
    dir = files.folder()
    rl.io.write_png(dir .. "/m.png", rl.zeros { 2, 2 })
    local lines = { "file,label,split,mask,marked" }
    for i = 1, 60 do
      rl.io.write_png(("%s/%02d.png"):format(dir, i), rl.zeros { 2, 2 })
      local class, split = i % 3 == 0 and "a" or "b", i <= 45 and "train" or "test"
      lines[i + 1] = ("%02d.png,%s,%s,%s,%d"):format(i, i > 40 and i <= 45 and "" or class, split,
        i % 10 == 5 and "m.png" or "", i % 5 == 0 and 1 or 0)
    end
    files.write(dir .. "/manifest.csv", table.concat(lines, "\n") .. "\n")
    set = rl.data.open(dir)
  end)
  teardown(function() files.remove(dir) end)

  local function counts(rows)
    local out = { a = 0, b = 0, none = 0 }
    for _, i in ipairs(rows) do
      local row = set:row(i)
      assert.equal("train", row.split)
      local name = row.label == "" and "none" or row.label
      out[name] = out[name] + 1
    end
    return out
  end
  local function contains(large, small)
    local has = {}
    for _, i in ipairs(large) do has[i] = true end
    for _, i in ipairs(small) do
      if not has[i] then return false end
    end
    return true
  end

  it("take a share of each class; every row of train is on one side", function()
    local labelled, others = shares(set, 0.5, 1)
    -- 13 of a, 27 of b, one with a mask but no class; four with neither
    assert.same({ a = 7, b = 14, none = 1 }, counts(labelled))
    assert.same({ a = 6, b = 13, none = 4 }, counts(others))
    assert.equal(45, #labelled + #others)
    assert.is_false(contains(labelled, { others[1] }))
  end)
  it("lie in one another, the same for the same seed, others for another", function()
    local before
    for _, share in ipairs { 0.05, 0.1, 0.2, 0.5, 1 } do
      local now = shares(set, share, 3)
      assert.is_true(contains(now, before or {}))
      assert.same(now, (shares(set, { share = share }, 3)))
      before = now
    end
    assert.not_same(shares(set, 0.2, 3), (shares(set, 0.2, 4)))
    assert.same(shares(set, { share = 0.2, seed = 4 }, 3), (shares(set, 0.2, 4)))
  end)
  it("begin with the rows that a column marks, and are all of them without a share", function()
    local marked = shares(set, { column = "marked" }, 1)
    for _, i in ipairs(marked) do assert.equal("1", set:row(i).marked) end
    assert.equal(9, #marked) -- 5, 10 .. 45
    local more = shares(set, { column = "marked", share = 0.3 }, 2)
    assert.is_true(contains(more, marked))
    assert.is_true(contains(marked, (shares(set, { column = "marked", share = 0.1 }, 2))))
  end)
  it("refuse shares and columns that cannot be", function()
    assert.error_matches(function() shares(set, 0, 1) end, "data: labelled: share = 0")
    assert.error_matches(function() shares(set, { column = "markd" }, 1) end,
      'data: labelled: unknown column "markd"; did you mean "marked"?')
    assert.error_matches(function() shares(set, {}, 1) end, "data: labelled: give a share")
    assert.error_matches(function() shares(set, { part = 1 }, 1) end, 'unknown option "part"')
  end)
end)
