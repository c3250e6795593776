local files = require "support.files"
local rl = require "rille"
local Labels = require "rille.data.labels"

describe("several labels per image", function()
  local dir, set
  setup(function()
    dir = files.folder()
    for k = 1, 6 do rl.io.write_png(("%s/%d.png"):format(dir, k), rl.zeros { 4, 4 }) end
    files.write(dir .. "/manifest.csv", "file,split,findings\n1.png,train,Mass|Effusion\n2.png,train,None\n"
      .. "3.png,train,Effusion|Mass?\n4.png,val,Hernia| Mass\n5.png,test,\n6.png,test,?\n")
    set = rl.data.open(dir)
  end)
  teardown(function() files.remove(dir) end)

  it("are 1, 0, or -1 where nothing is known; names are those of train, sorted", function()
    local l = Labels.new(set, "findings")
    assert.same({ "Effusion", "Mass", "Mass?", "None" }, l.names)
    l = Labels.new(set, { column = "findings", names = { "Mass", "Effusion", "None" } })
    local want = { { 1, 1, 0 }, { 0, 0, 1 }, { -1, 1, 0 }, { 1, 0, 0 }, { -1, -1, -1 }, { -1, -1, -1 } }
    assert.same(want, l.rows)
    assert.same({ 1, 2, 1 }, l:count(set, "train"))
  end)
  it("are put into batches by row", function()
    local l = Labels.new(set, { column = "findings", names = { "Mass", "Effusion", "None" } })
    local batch = { index = rl.tensor({ 4, 2 }, { dtype = "i64" }) }
    l:put(batch)
    assert.same({ { 1, 0, 0 }, { 0, 0, 1 } }, batch.labels:tolist())
  end)
  it("say what is wrong", function()
    assert.error_matches(function() Labels.new(set, "finding") end, 'did you mean "findings"')
    assert.error_matches(function() Labels.new(set, "label") end, 'unknown column "label"')
  end)
  it("count only what is known in the loss", function()
    local F = rl.nn.functional
    local x = rl.tensor({ { 0, 2 }, { -1, 0 } }, { dtype = "f64" })
    local y = rl.tensor { { 1, -1 }, { 0, -1 } }
    local want = (math.log(2) + math.log(1 + math.exp(-1))) / 2
    assert.is_close(want, F.multilabel_loss(x, y):item(), 1e-12)
    assert.is_close(0, F.multilabel_loss(x, y * 0 - 1):item(), 0)
  end)
end)
