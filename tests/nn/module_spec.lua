local rl = require "rille"
local nn = rl.nn

local function names(list)
  local out = {}
  for i, p in ipairs(list) do out[i] = p.name end
  return table.concat(out, " ")
end

local Block = nn.Module:extend("Block")

function Block:init(width)
  self.first = nn.Linear(3, width)
  self.scale = rl.ones({ width }, { requires_grad = true })
  self.depth = 2
  self:register_buffer("seen", rl.zeros({}, { dtype = "i64" }))
  self.second = nn.Sequential(nn.Linear(width, 2, { bias = false }), nn.Sigmoid())
end

function Block:forward(x) return self.second(self.first(x) * self.scale) end

describe("Module", function()
  it("names parameters in definition order, and the buffers with them in a state dict", function()
    local m = Block(4)
    assert.equal("first.weight first.bias scale second.0.weight", names(m:named_parameters()))
    assert.equal("first.weight first.bias scale seen second.0.weight", names(m:named_state()))
    assert.equal(12 + 4 + 4 + 8, m:count())
    assert.equal(rl.is_tensor(m:state_dict()["seen"]), true)
  end)
  it("runs forward through the call, with the layer's path on what it records", function()
    local m = Block(4)
    local y = m(rl.ones { 2, 3 })
    assert.same({ 2, 2 }, y.shape)
    assert.equal("second.1", y.path)
  end)
  it("keeps a shared parameter once, and loads it under either name", function()
    local a, b = nn.Linear(2, 2, { bias = false }), nn.Linear(2, 2, { bias = false })
    b.weight = a.weight
    local m = nn.ModuleList { a, b }
    assert.equal("0.weight", names(m:named_parameters()))
    assert.equal("0.weight 1.weight", names(m:named_state()))
    local report = m:load_state_dict { ["1.weight"] = rl.full({ 2, 2 }, 7) }
    assert.equal(1, report.loaded)
    assert.is_close({ 7, 7, 7, 7 }, a.weight)
  end)
  it("replaces a field in place and forgets one that becomes nil", function()
    local m = Block(4)
    m.first = nn.Linear(3, 4, { bias = false })
    assert.equal("first.weight scale second.0.weight", names(m:named_parameters()))
    m.scale = nil
    assert.equal("first.weight second.0.weight", names(m:named_parameters()))
  end)
  it("loads what a state dict gives, and nothing at all if something does not fit", function()
    local m, from = Block(4), Block(4)
    assert.equal(5, m:load_state_dict(from:state_dict()).loaded)
    assert.is_close(from.first.weight, m.first.weight, 0)
    local before = m.first.weight:tolist()
    assert.error_matches(function()
      m:load_state_dict { ["first.weight"] = rl.zeros { 4, 3 }, ["first.bias"] = rl.zeros { 5 },
        ["third"] = rl.zeros { 1 } }
    end, "load_state_dict: missing: scale, second.0.weight, seen; "
      .. "unexpected: third; other shape: first.bias (given 5, model 4)")
    assert.is_close(before, m.first.weight, 0)
    local report = m:load_state_dict({ ["first.weight"] = rl.zeros { 4, 3 } }, { strict = false })
    assert.same({ 1, 4 }, { report.loaded, #report.missing })
    assert.is_close(rl.zeros { 4, 3 }, m.first.weight)
    assert.error_matches(function() m:load_state_dict({}, { stric = false }) end,
      'unknown option "stric"; did you mean "strict"?')
  end)
  it("freezes and unfreezes by prefix and by glob", function()
    local m = Block(4)
    assert.equal(2, m:freeze("first."))
    assert.equal(12, m:count("trained"))
    assert.equal("first.weight first.bias scale second.0.weight", names(m:named_parameters()))
    assert.equal(1, m:unfreeze("*.bias"))
    assert.equal(true, m.first.bias.requires_grad)
    assert.error_matches(function() m:freeze("frist.weight") end,
      'freeze: no parameter matches "frist.weight"; one is called "first.weight"')
  end)
  it("sets modes, and leaves frozen parts in evaluation mode when asked", function()
    local m = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)), nn.Linear(2, 2))
    m:eval()
    assert.equal(false, m[1][2].training)
    m:train()
    m[1]:freeze()
    m:train_unfrozen()
    assert.same({ true, false, false, true }, { m.training, m[1].training, m[1][2].training, m[2].training })
  end)
  it("converts to f64 and back, counters apart", function()
    local m = Block(4):to("f64")
    assert.same({ "f64", "i64", true }, { m.first.weight.dtype, m.seen.dtype, m.first.weight.requires_grad })
    assert.error_matches(function() m:to("f16") end, "dtype = f16; it is one of: f32, f64")
  end)
  it("prints a tree with settings, shapes and counts", function()
    local m = Block(4)
    m:freeze("first.bias")
    assert.equal([[
Block  scale 4  [28]
  first: Linear(3, 4)  weight 4x3, bias 4 frozen  [16]
  second: Sequential  [8]
    0: Linear(4, 2)  weight 2x4  [8]
    1: Sigmoid]], tostring(m))
  end)
  it("runs hooks after forward, until they are removed", function()
    local m, seen = nn.Identity(), 0
    local remove = m:register_forward_hook(function(_, y)
      seen = seen + 1
      return y * 2
    end)
    assert.is_close({ 2 }, m(rl.ones { 1 }))
    remove()
    assert.is_close({ 1 }, m(rl.ones { 1 }))
    assert.equal(1, seen)
  end)
  it("says what is missing: a forward, a Module", function()
    local Empty = nn.Module:extend("Empty")
    assert.error_matches(function() Empty()(1) end, "Empty: has no forward; write function Empty:forward(x)")
    assert.error_matches(function() nn.Sequential(nn.ReLU(), rl.relu) end,
      "Sequential: argument 2 is function")
  end)
  it("applies a function from the leaves up", function()
    local order = {}
    nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())):apply(function(m) order[#order + 1] = m.class_name end)
    assert.same({ "ReLU", "Tanh", "Sequential", "Sequential" }, order)
  end)
end)
