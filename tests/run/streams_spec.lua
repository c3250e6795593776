-- A second stream beside the main one: its rows, its order, and that its place follows the main stream's.
local Feed = require "rille.run.feed"
local runs = require "support.runs"

local function open(data, seed)
  data.phantom = {}
  return Feed.open({ file = "x.lua", data = data, options = { size = 16, channels = 1, batch = 3 } },
    { dir = runs.data(), out = runs.root(), seed = seed or 1, say = print })
end

local function walk(feed, epoch, cursor)
  local out = {}
  for batch in feed:batches("train", { batch = 3, stage = 1, epoch = epoch, cursor = cursor or 0 }) do
    out[#out + 1] = { batch.index:tolist(), batch.more.index:tolist(), batch = batch }
  end
  return out
end

local function rows_of(list, k)
  local seen, n = {}, 0
  for _, pair in ipairs(list) do
    for _, i in ipairs(pair[k]) do
      if not seen[i] then n = n + 1 end
      seen[i] = (seen[i] or 0) + 1
    end
  end
  return seen, n
end

describe("streams", function()
  teardown(runs.clean)

  it("divide train: an epoch is a pass over the labelled, the others go round", function()
    local feed = open { labelled = { share = 0.5 }, streams = { more = { batch = 2 } } }
    assert.equal(6, feed.counts.train)
    assert.equal(2, feed:steps("train", 3))
    local first, second, third = walk(feed, 1), walk(feed, 2), walk(feed, 3)
    local seen, n = rows_of(first, 1)
    assert.equal(6, n)
    -- three steps of two are a pass over the other six rows: epochs 1 to 3 hold two passes
    local all = { first[1], first[2], second[1] }
    local others, m = rows_of(all, 2)
    assert.equal(6, m)
    for i in pairs(others) do assert.is_nil(seen[i]) end
    assert.equal(6, select(2, rows_of({ second[2], third[1], third[2] }, 2)))
    assert.not_same({ all[1][2], all[2][2], all[3][2] }, { second[2][2], third[1][2], third[2][2] })
  end)
  it("hide the labels of what is unlabelled", function()
    local feed = open { labelled = 0.5, streams = { more = {} } }
    local batch = walk(feed, 1)[1].batch
    assert.is_nil(batch.more.mask or batch.more.label or batch.more.has_mask or batch.more.saliency)
    assert.truthy(batch.mask)
    assert.same({ 6, 1, 16, 16 }, batch.more.image.shape) -- six there are, eight were asked for
    local whole = open { labelled = 0.5, streams = { more = { rows = "labelled", batch = 4 } } }
    assert.same({ 4 }, walk(whole, 1)[1].batch.more.label.shape)
  end)
  it("take all of train where everything is labelled", function()
    local feed = open { labelled = 1, streams = { more = { batch = 12 } } }
    assert.equal(12, select(2, rows_of({ walk(feed, 1)[1] }, 2)))
  end)
  it("stand where the main stream's place says, also in another process's order", function()
    local o = { labelled = { share = 0.5 }, streams = { more = { batch = 4 } }, augment = { rotate = 5 } }
    local a, b = open(o), open(o)
    local whole = { walk(a, 1), walk(a, 2), walk(a, 3) }
    local part = walk(b, 3, 3)[1]
    assert.same({ whole[3][2][1], whole[3][2][2] }, { part[1], part[2] })
    assert.is_close(whole[3][2].batch.more.image, part.batch.more.image, 0)
    local other = walk(open(o, 2), 1)
    assert.not_same(whole[1][1][2], other[1][2])
  end)
  it("are checked", function()
    assert.error_matches(function() open { streams = { more = { btach = 2 } } } end,
      'data: streams.more: unknown option "btach"; did you mean "batch"?')
    assert.error_matches(function() open { streams = { more = { rows = "none" } } } end,
      "data: streams.more: rows = none; it is one of: unlabelled, labelled, all")
    assert.error_matches(function() open { streams = 8 } end, "data: streams is a table { NAME =")
  end)
end)
