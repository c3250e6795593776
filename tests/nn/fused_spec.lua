-- Chains of modules through lazy values against the modules one by one (nn.fused.off), in f64: outputs, all
-- gradients, running statistics.
local rl = require "rille"
local formula = require "support.formula"
local nn, models, fused = rl.nn, rl.models, rl.nn.fused
local wave = formula.wave

local function spread(shape)
  if #shape == 1 then return 0.3, 0.8 end
  local fan = 1
  for d = 2, #shape do fan = fan * shape[d] end
  return (2 / fan) ^ 0.5, 0
end

-- run(m, x): outputs, then gradients of x and of all parameters, then buffers: one flat list of tensors.
local function all_of(m, x, off, steps, run)
  formula.fill(m:to "f64", spread)
  fused.off = off
  local list = {}
  local ok, why = pcall(function()
    for _ = 1, steps or 1 do
      x = x:detach():clone()
      x.requires_grad = true
      local outputs, loss = table.pack((run or function(net, input) return net(input) end)(m, x)), 0
      for k, y in ipairs(outputs) do
        list[#list + 1] = y:detach()
        loss = loss + (y * wave(k + 2, y.shape)):sum()
      end
      m:zero_grad()
      loss:backward()
      list[#list + 1] = x.grad
      for _, p in ipairs(m:parameters()) do list[#list + 1] = p.grad end
    end
  end)
  fused.off = false
  assert(ok, why)
  for _, s in ipairs(m:named_state()) do
    if s.kind == "buffer" then list[#list + 1] = s.tensor end
  end
  return list
end

local function same(make, x, o)
  o = o or {}
  local function one(off)
    local m = make()
    if o.prepare then o.prepare(m) end
    return all_of(m, x, off, o.steps, o.run)
  end
  local want, got = one(true), one(false)
  assert.equal(#want, #got)
  for i, t in ipairs(want) do
    t = t:double()
    local scale = math.max(1, t:abs():max():item())
    assert.is_close(0, (t - got[i]:double()):abs():max():item() / scale, o.tolerance or 1e-9)
  end
end

local function conv(i, o, k, opts)
  opts = opts or { padding = k // 2 }
  return nn.Conv2d(i, o, k, opts)
end

describe("chains of modules", function()
  local image = wave(7, { 2, 3, 8, 8 }, 1, 0.3)

  it("in a Sequential give what the modules give one by one", function()
    local function net()
      return nn.Sequential(conv(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), conv(4, 6, 3), nn.ReLU(),
        conv(6, 4, 1), nn.PReLU(4), nn.BatchNorm2d(4, { momentum = false }), nn.Upsample { scale_factor = 2 },
        conv(4, 4, 3, { stride = 2, padding = 1, groups = 2 }), nn.BatchNorm2d(4, { affine = false }),
        nn.PReLU(), conv(4, 2, 3))
    end
    same(net, image, { steps = 2 })
    same(net, image, { prepare = function(m) m:eval() end })
    same(net, image, { prepare = function(m) m[2]:eval() end, steps = 2 })
    same(net, image, { prepare = function(m) m:freeze "3 7.bias" end })
  end)
  it("pool before a 1x1 convolution, and enlarge after it", function()
    local function pooled()
      return nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), conv(3, 5, 1), nn.AvgPool2d(2))
    end
    same(pooled, image)
    same(function() return nn.Sequential(conv(3, 5, 1), nn.AdaptiveAvgPool2d(3), nn.Tanh()) end, image)
    local padded = { stride = 2, padding = 1 } -- the padding's zeros get no bias: left as it is
    same(function() return nn.Sequential(conv(3, 5, 1), nn.AvgPool2d(3, padded)) end, image)
    local function enlarged()
      return nn.Sequential(nn.Upsample { scale_factor = 2, mode = "bilinear" }, conv(3, 5, 1), nn.ReLU())
    end
    same(enlarged, image)
    local seen = {}
    local m = pooled()
    m[4].forward = function(self, x)
      seen = x.shape
      return rl.avg_pool2d(x, self._kernel, self._call)
    end
    m(rl.rand { 2, 3, 8, 8 })
    assert.same({ 2, 5, 8, 8 }, seen) -- with a forward of its own it stays where it is
  end)
  it("show hooks every module's own output", function()
    local m = nn.Sequential(conv(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), conv(4, 2, 3), nn.PReLU())
    local plain, names = {}, { "conv", "norm", "relu", "second", "prelu" }
    for k = 1, 5 do
      local n = nn.Sequential(table.unpack(m, 1, 5))
      n:load_state_dict(m:state_dict())
      local remove = n[k]:register_forward_hook(function(_, y) plain[k] = y:detach() end)
      n(image:to "f32")
      remove()
    end
    local x = image:to "f32"
    for k = 1, 5 do
      x = m[k](x)
      assert.is_close(x, plain[k], 1e-5, names[k])
    end
    m[2]:register_forward_hook(function(_, y) return y * 0 end)
    assert.is_close(m[5](m[4](rl.zeros { 2, 4, 8, 8 })), m(image:to "f32"), 1e-6)
  end)
  it("raise where and what the module would", function()
    local m = nn.ModuleDict { net = nn.Sequential(conv(3, 4, 3), nn.BatchNorm2d(5), nn.ReLU()) }
    assert.error_matches(function() m.net(rl.rand { 1, 3, 4, 4 }) end, "net.1: batch_norm: ")
    assert.error_matches(function() m.net(rl.rand { 1, 2, 4, 4 }) end, "net.0: ")
    assert.error_matches(function() m.net(rl.rand { 3, 4, 4 }) end, "net.0: ")
    local v = fused.conv(conv(3, 4, 3), rl.rand { 1, 3, 4, 4 }, nn.BatchNorm2d(4))
    fused.value(v)
    assert.error_matches(function() fused.value(v) end, "a lazy value was used twice")
  end)
  it("join skips before and behind doubling", function()
    local a, b, norm = conv(3, 4, 3), conv(7, 2, 3), nn.BatchNorm2d(4)
    local m = nn.ModuleDict { a = a, b = b, norm = norm }
    same(function() return m end, image, { run = function(_, x)
      norm.running_mean:zero_()
      norm.running_var:fill_(1)
      norm.num_batches_tracked:zero_()
      local doubled = rl.interpolate(x, { scale_factor = 2, mode = "nearest" })
      local v = fused.cat(doubled, fused.up(fused.conv(a, x, norm, "relu")))
      return fused.value(fused.act(fused.conv(b, v), "relu"))
    end })
  end)
end)

describe("models", function()
  local x = wave(7, { 2, 3, 32, 32 }, 1, 0.5)
  local grey = wave(7, { 2, 1, 32, 32 }, 1, 0.5)

  for _, training in ipairs { true, false } do
    local o = { tolerance = 1e-7, prepare = function(m) m:train(training) end }
    it("give the same, chained or one by one: training = " .. tostring(training), function()
      for _, block in ipairs { "basic", "bottleneck" } do
        local function net() return models.ResNet { block = block, layers = { 1, 2, 1, 1 }, classes = 3 } end
        same(net, x, o)
      end
      local function taps(m, input) return table.unpack(m:taps(input)) end
      local tapped = { tolerance = 1e-7, prepare = o.prepare, run = taps }
      same(function() return models.ResNet { block = "basic", layers = { 1, 1, 1, 1 } } end, grey, tapped)
      for _, up in ipairs { 1, 2 } do
        same(function() return models.SRResNet { width = 8, blocks = 2, upscale = up } end,
          x:narrow(-1, 1, 12):narrow(-2, 1, 10), o)
      end
      local small = { blocks = { 2, 2 }, growth = 4, initial = 8, classes = 2 }
      same(function() return models.DenseNet(small) end, x, o)
      same(function()
        return models.DenseNet { blocks = { 2, 1 }, growth = 4, initial = 8, classes = 2, fused = false }
      end, x, o)
      same(function() return models.MTUNet { width = 1 / 16, dropout = 0 } end, grey, o)
    end)
    it("of the saliency network too: training = " .. tostring(training), function()
      for _, s in ipairs { { true, "conv" }, { false, "identity" } } do
        same(function()
          return nn.ModuleDict { encoder = models.ResSEEncoder { width = 1 / 16, se = s[1], shortcut = s[2] },
            decoder = models.ResSEDecoder { width = 1 / 16, features = s[1] and 6 },
            head = models.SaliencyHead { width = 1 / 16 } }
        end, grey, { tolerance = 1e-7, prepare = o.prepare, run = function(m, input)
          local f4 = rl.avg_pool2d(input, 32):expand { -1, 6, -1, -1 }
          return m.head(m.decoder(f4, m.encoder(input)))
        end })
      end
    end)
  end

  it("a fully connected layer does the ReLU behind it, where nobody looks in between", function()
    local function ops(net)
      local names, y = {}, net(rl.ones { 2, 3 }:requires_grad_())
      for _, r in ipairs(rl.profile(function() net(rl.ones { 2, 3 }) end):by "op") do
        names[#names + 1] = r.name .. " " .. r.calls
      end
      table.sort(names)
      return table.concat(names, ", "), y.grad_fn .. " " .. y.path
    end
    local net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU())
    assert.same({ "linear 2, ones 1", "linear 2" }, { ops(net) })
    local remove = net[4]:register_forward_hook(function() end)
    assert.same({ "linear 2, ones 1, relu 1", "relu 3" }, { ops(net) })
    remove()
    net[1]:register_forward_hook(function() end)
    assert.same({ "linear 2, ones 1, relu 1", "linear 2" }, { ops(net) })
    net[4] = nn.Tanh() -- children may be replaced at any time
    net[3] = nn.Sequential(nn.Linear(4, 5), nn.ReLU())
    assert.same({ "linear 2, ones 1, relu 1, tanh 1", "tanh " }, { ops(net) })
  end)
end)
