local rl = require "rille"
local f64 = { dtype = "f64" }

local N, C0, H, W, GROWTH, MID, LAYERS = 2, 5, 4, 3, 3, 6, 2

-- Inputs by formula, so that others can make the same: v[i] = sin(1.3 i p + p) scale + shift, where p
-- counts the tensors.
local function maker()
  local p = 0
  return function(shape, scale, shift)
    p = p + 1
    local n, v = 1, {}
    for _, s in ipairs(shape) do n = n * s end
    for i = 1, n do v[i] = math.sin(1.3 * i * p + p) * scale + shift end
    return rl.tensor(v, f64):reshape(shape):clone()
  end
end

local function inputs()
  local make = maker()
  local x, layers = make({ N, C0, H, W }, 1, 0), {}
  for l = 0, LAYERS - 1 do
    local cin = C0 + l * GROWTH
    local shapes = {
      { { cin }, .5, 1 }, { { cin }, .3, .1 }, { { MID, cin, 1, 1 }, .5, 0 },
      { { MID }, .5, 1 }, { { MID }, .3, .1 }, { { GROWTH, MID, 3, 3 }, .3, 0 },
      { { cin }, .1, 0 }, { { cin }, .2, 1 }, { { MID }, .1, 0 }, { { MID }, .2, 1 },
    }
    for _, s in ipairs(shapes) do layers[#layers + 1] = make(s[1], s[2], s[3]) end
  end
  return x, layers, make({ N, C0 + LAYERS * GROWTH, H, W }, 1, 0)
end

local function is_learnt(i) return (i - 1) % 10 < 6 end -- then come the running moments

local function code(t) -- one number that every element moves
  local sum = 0
  for i, v in ipairs(t:reshape { -1 }:tolist()) do sum = sum + v * math.cos(i) end
  return sum
end

-- PyTorch 2.13 in f64: batch_norm, relu, conv2d and cat, as code() of y, dx, then per layer the gradients of
-- norm1 weight and bias, conv1, norm2 weight and bias, conv2, and the running moments after the call.
local want = {
  training = {
    -0.713743620874529, 0.530484060390678, 1.80659948534662, 1.04413616982125, -0.763498825474428,
    -1.46911034662149, 0.480645635569353, 2.6556445815642, -0.0656115697495576, -1.13706369383404,
    0.0730668424407289, 0.011873436071349, 2.06550172826304, 0.413119236029247, -4.19773985216487,
    0.515519404623722, -0.0276630336232373, 2.56546118036337, 0.0506135064441118, 0.395732961064209,
    0.00648292360589249, -0.263255369044868,
  },
  evaluation = {
    -1.87346070036014, 1.05589798270212, -0.178762761084863, 0.920862585917279, -0.0953455223961597,
    -0.152765868149091, 0.33289397255771, 0.52909099832136, -0.0696431506831819, -1.19221178375547,
    0.13068689259411, 0.00907844229076005, -0.154304631232873, -0.348607425465211, 1.38948319092826,
    -0.0184670429065243, -0.335257928445194, -1.23844320200142, 0.0525863324241282, 0.450060418051394,
    0.146522951693241, -0.277395825558175,
  },
}

describe("dense_block", function()
  for mode, numbers in pairs(want) do
    it("agrees with PyTorch's plain composition in " .. mode, function()
      local x, layers, dy = inputs()
      x:requires_grad_()
      for i, t in ipairs(layers) do
        if is_learnt(i) then t:requires_grad_() end
      end
      local y = rl.dense_block(x, layers, { training = mode == "training" });
      (y * dy):sum():backward()
      local got = { code(y), code(x.grad) }
      for i, t in ipairs(layers) do got[#got + 1] = code(is_learnt(i) and t.grad or t) end
      assert.is_close(numbers, got, 1e-12)
    end)
  end
  it("takes several cotangents at once", function()
    local x, layers = inputs()
    local leaves = { x:requires_grad_() }
    for i, t in ipairs(layers) do
      if is_learnt(i) then leaves[#leaves + 1] = t:requires_grad_() end
    end
    local y = rl.dense_block(x, layers, { training = true })
    local l1, l2 = (y * y):sum(), y:sin():sum()
    local both = rl.grads({ l1, l2 }, leaves, { retain = true })
    for k, l in ipairs { l1, l2 } do
      local one = rl.grad(l, leaves, { retain = true })
      for i = 1, #leaves do assert.is_close(one[i], both[k][i], 1e-12) end
    end
  end)
  it("moves running moments where they lie, and says so", function()
    local x, layers = inputs()
    local wide = rl.zeros({ C0, 2 }, f64)
    layers[7] = wide:narrow(2, 2, 1):squeeze(2)
    local was = layers[7].version
    local want_mean = x:permute({ 1, 3, 4, 2 }):reshape({ -1, C0 }):mean(1) * 0.1
    rl.dense_block(x:requires_grad_(), layers, { training = true })
    rl.dense_block(x, layers, { training = true }):sum():backward() -- a later call is no change of saved data
    assert.is_close(want_mean * 1.9, layers[7]:detach(), 1e-12)
    assert.is_true(layers[7].version > was)
    assert.is_close(rl.zeros({ C0 }, f64), wide:narrow(2, 1, 1):squeeze(2), 0)
  end)
  it("gives the same without a graph, in f32 nearly the same", function()
    local x, layers = inputs()
    local plain = rl.dense_block(x, layers)
    x:requires_grad_()
    assert.is_close(plain, rl.dense_block(x, layers), 0)
    local narrow = {}
    for i, t in ipairs(layers) do narrow[i] = t:to "f32" end
    assert.is_close(plain, rl.dense_block(x:to "f32", narrow), 2e-6)
  end)
  it("keeps the first channels as they came", function()
    local x, layers = inputs()
    assert.is_close(x, rl.dense_block(x, layers):narrow(2, 1, C0), 0)
  end)
  it("refuses layers that do not fit", function()
    local x, layers = inputs()
    layers[13] = rl.zeros({ 6, 9, 1, 1 }, f64)
    assert.error_matches(function()
      rl.dense_block(x, layers)
    end, "conv1.weight of layer 2 is 6x9x1x1, must be 6x8x1x1")
    layers[20] = nil
    assert.error_matches(function() rl.dense_block(x, layers) end, "19 layer tensors; each layer has 10")
    local y, other = inputs()
    assert.error_matches(function()
      rl.dense_block(y:narrow(1, 1, 1):narrow(3, 1, 1):narrow(4, 1, 1), other, { training = true })
    end, "no variance")
  end)
end)
