-- The parts of MLVICX: counts of systems as published, and the rewritten merge against the written one.
local gradcheck = require "rille.testing.gradcheck"
local rl = require "rille"
local models = rl.models
local WIDTHS = { 64, 64, 128, 256, 512 }

local function skip(make, ...) return rl.nn.init.skip(make, ...) end

describe("the parts of MLVICX", function()
  it("have as many parameters as published", function()
    assert.equal(11176512, skip(models.resnet18, { classes = false }):count())
    assert.equal(352746, skip(models.ContextLevels, WIDTHS):count())
    assert.equal(526848, skip(models.LevelMerge, WIDTHS):count())
    assert.equal(35688448, skip(models.Projector, { 512, 4096, 4096, 4096 }):count())
    assert.equal(67145728, skip(models.Projector, { 8192, 4096, 4096, 4096 }):count())
  end)
  it("merge the levels without the map of 64 x 64 to the same value and the same gradients", function()
    local widths, x = { 3, 4, 2 }, {}
    for k, side in ipairs { { 70, 112 }, { 9, 16 }, { 1, 2 } } do -- larger, smaller, a single row
      x[k] = rl.randn({ 2, widths[k], side[1], side[2] }, { dtype = "f64", requires_grad = true })
    end
    local short = models.LevelMerge(widths, { out = 5 }):to "f64"
    local straight = models.LevelMerge(widths, { out = 5, straight = true }):to "f64"
    straight:load_state_dict(short:state_dict())
    local a, b = short(x), straight(x)
    assert.same({ 2, 80 }, a.shape)
    assert.is_close(b:detach(), a:detach(), 1e-13)
    local of = table.move(x, 1, 3, 1, {})
    table.move(short:parameters(), 1, 6, 4, of)
    local g = rl.grads({ (a * a):sum() }, of)[1]
    table.move(straight:parameters(), 1, 6, 4, of)
    for k, h in ipairs(rl.grads({ (b * b):sum() }, of)[1]) do assert.is_close(h, g[k], 1e-11) end
  end)
  it("can leave levels out, and refuse what is no list of maps", function()
    local m = models.LevelMerge(WIDTHS, { levels = { 2, 5 } })
    assert.same({ "conv2.weight", "conv2.bias", "conv5.weight", "conv5.bias" },
      { m:named_parameters()[1].name, m:named_parameters()[2].name, m:named_parameters()[3].name,
        m:named_parameters()[4].name })
    assert.error_matches(function() m(rl.zeros { 1, 64, 4, 4 }) end, "LevelMerge: takes the list of 5 maps")
    assert.error_matches(function() models.LevelMerge(WIDTHS, { side = 6 }) end, "side must be a multiple")
    assert.error_matches(function() models.ContextBottleneck(4, { parts = "pixel" }) end, "spatial")
    assert.error_matches(function() models.Projector { 4 } end, "Projector: widths lists at least two")
  end)
  it("attend to channels, then to pixels, as written element by element", function()
    local cb = models.ContextBottleneck(2):to "f64"
    local y = rl.randn({ 1, 2, 3, 3 }, { dtype = "f64" })
    local got = cb(y):reshape { -1 }:tolist()
    local v, w1, w2 = y:reshape { -1 }:tolist(), cb.channel[1].weight:reshape { -1 }:tolist(),
      cb.channel[3].weight:reshape { -1 }:tolist()
    local w = cb.spatial.weight:reshape { -1 }:tolist() -- 1 x 2 x 7 x 7
    local function sigmoid(t) return 1 / (1 + math.exp(-t)) end
    local mean, most = { 0, 0 }, { -math.huge, -math.huge }
    for c = 1, 2 do
      for i = 1, 9 do
        local e = v[(c - 1) * 9 + i]
        mean[c], most[c] = mean[c] + e / 9, math.max(most[c], e)
      end
    end
    local function f(p, c) return w2[c] * math.max(0, w1[1] * p[1] + w1[2] * p[2]) end
    local z = {}
    for i = 1, 18 do
      local c = (i - 1) // 9 + 1
      z[i] = sigmoid(f(mean, c) + f(most, c)) * v[i]
    end
    for i = 0, 8 do
      local sum = 0
      for j = 0, 8 do -- a 7x7 window reaches all nine pixels
        local at = (j // 3 - i // 3 + 3) * 7 + (j % 3 - i % 3 + 3) + 1
        sum = sum + w[at] * (z[j + 1] + z[j + 10]) / 2 + w[49 + at] * math.max(z[j + 1], z[j + 10])
      end
      assert.is_close(sigmoid(sum) * z[i + 1], got[i + 1], 1e-13)
      assert.is_close(sigmoid(sum) * z[i + 10], got[i + 10], 1e-13)
    end
    gradcheck(function(x) return cb(x) end, { y })
  end)
  it("follow an encoder level by level, alone with the levels where there are none", function()
    local net = models.ResNet { block = "basic", layers = { 1, 1, 1, 1 }, width = 4, classes = false }
    net:eval()
    local x = rl.randn { 2, 3, 32, 32 }
    local plain = models.ContextLevels(net.widths, { parts = "none" })
    local taps = net:taps(x)
    for k, map in ipairs(plain(net, x)) do assert.is_close(taps[k]:detach(), map:detach(), 0) end
    assert.equal(0, #plain:parameters())
    assert.is_close(net(x):detach(), taps[5]:mean({ -2, -1 }):detach(), 0)
    local maps = models.ContextLevels(net.widths)(net, x)
    assert.same({ 2, 32, 1, 1 }, maps[5].shape)
  end)
end)
