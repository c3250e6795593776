local rl = require "rille"
local wave = require "support.wave"
local f64 = { dtype = "f64" }
local leaf = { dtype = "f64", requires_grad = true }

local plain
for _, row in ipairs(rl.ops) do
  if row.name == "norm_conv2d" then plain = assert(load("local rl = ...; return " .. row.plain))(rl) end
end

local function list(n, seed, options) return wave({ n }, seed, options or leaf) end

---conv - norm - relu - double, beside a skip - strided conv: outputs and leaves of one call.
local function chain(act, given)
  local x, w1 = wave({ 2, 3, 3, 2 }, 1, leaf), wave({ 4, 3, 3, 3 }, 2, leaf)
  local skip = wave({ 2, 2, 6, 4 }, 7, leaf)
  local g, b, w2, b2 = list(4, 3), list(4, 4), wave({ 2, 6, 3, 3 }, 5, leaf), list(2, 6)
  local mean, var = list(4, 8, f64), list(4, 9, f64):abs() + 0.5
  local first = { norm = false, padding = 1 }
  local z, moments = rl.norm_conv2d(x, nil, nil, nil, nil, nil, nil, nil, w1, nil, first)
  local o = { training = true, momentum = 0.2, eps = 1e-3, act = act, up = 2, stride = 2, padding = 1 }
  local y = rl.norm_conv2d(z, given and moments or nil, mean, var, g, b, nil, skip, w2, b2, o)
  return y, { x, w1, g, b, w2, b2, skip }, mean, var
end

describe("norm_conv2d", function()
  it("agrees with PyTorch along a chain, moments handed on or worked out", function()
    for _, given in ipairs { true, false } do
      local y, leaves, mean, var = chain("relu", given)
      assert.is_close({ -3.591693354, 3.918605269, 4.733356623, 14.57303526, 1.25030367, 10.64201119,
        -4.533256712, 9.493544875, -4.25078285, -11.12865537, -8.571603562, -13.77898118, -5.075641783,
        -4.802363814, -5.998349054, 2.157472164, -0.6652606677, 5.346373593, 0.1895398535, -13.38305558,
        1.896060234, -3.997432665, -5.501858531, 2.809266329 }, y:reshape { 24 }, 1e-8)
      assert.is_close({ -0.8100326583, 0.1486261386, -0.1443757611, 1.045771243 }, mean, 1e-8)
      assert.is_close({ 6.539443996, 3.562526272, 3.878487055, 7.815811277 }, var, 1e-8)
      local d = rl.grad(y, leaves, { seed = wave(y.shape, 10, f64) })
      assert.is_close({ 2.015916804, 3.298476903, -13.54810582, 2.402867663, 3.538289806, -4.037357029,
        1.780609426, 1.791515364, 10.3932996, -10.50502563, -7.463939993, 7.887594294, -8.025526556,
        -1.017683282, -5.60840903, -1.931290141, 9.576140089, -5.023681573, 2.282937298, 1.175835493,
        -4.988000405, 4.729678124, 4.240557148, 0.8528859598, -0.1565588377, 2.236356542, 2.914406649,
        -4.468772609, -5.609490622, -2.620643166, -4.167858556, 3.391426992, -3.040007858, 1.575679031,
        5.978933283, 0.8681483639 }, d[1]:reshape { 36 }, 1e-7)
      assert.is_close({ -4.392665777, 0.831944969, 2.654937031, 4.995333028, 1.864553479, -3.442521404,
        3.801700843, -0.743025691, -1.465306845, 0.5452403804, -0.3909312788, 0.04521695878 },
        d[2]:sum({ 3, 4 }):reshape { 12 }, 1e-7)
      assert.is_close({ 13.48114255, 4.087064272, 11.29132602, 5.927037299 }, d[3], 1e-7)
      assert.is_close({ -9.479896218, 10.0343567, -7.271146864, 5.340954613 }, d[4], 1e-7)
      assert.is_close({ 6.970518441, 6.73160053, -1.321115977, 15.23506034, 5.816566114, -0.4056350722,
        -0.4438595429, -2.348331323, -5.692217367, -17.88530627, -2.525761563, -4.121429939 },
        d[5]:sum({ 3, 4 }):reshape { 12 }, 1e-7)
      assert.is_close({ 0.8332377464, -2.520159534 }, d[6], 1e-8)
      assert.is_close({ 3.012579695, -6.627465027, 0.9253143777, -3.461451766 },
        d[7]:sum({ 3, 4 }):reshape { 4 }, 1e-8)
    end
  end)
  it("agrees with the plain ops on wider maps, in f32 too, for 1x1, 3x3 and strides", function()
    local cases = { { c = 40, s = 0, cout = 24, k = 1 }, { c = 33, s = 16, cout = 20, k = 3, up = 2 },
      { c = 32, s = 32, cout = 32, k = 3, last = true }, { c = 17, s = 0, cout = 9, k = 3, stride = 2 } }
    for i, q in ipairs(cases) do
      local up = q.up or 1
      local shapes = { { 2, q.c, 9, 8 }, { q.c }, { q.c }, { q.c }, { 2, q.s, 9 * up, 8 * up },
        { q.cout, q.c + q.s, q.k, q.k }, { q.cout } }
      local o = { training = true, act = i % 2 == 1 and "prelu" or "relu", up = up, stride = q.stride or 1,
        padding = q.k // 2, skip_last = q.last }
      local function run(f, dtype)
        local a = {}
        for j, shape in ipairs(shapes) do
          if not (j == 5 and q.s == 0) and not (j == 4 and o.act == "relu") then
            a[j] = wave(shape, j, f64):to(dtype):detach():requires_grad_()
          end
        end
        local some = {}
        for j = 1, 7 do some[#some + 1] = a[j] end
        local y, m = f(a[1], nil, nil, nil, a[2], a[3], a[4], a[5], a[6], a[7], o)
        return y, m, rl.grad(y, some, { seed = wave(y.shape, 9, { dtype = dtype }) })
      end
      local y, m, g = run(plain, "f64")
      local z, n, h = run(rl.norm_conv2d, "f64")
      assert.is_close(y, z, 1e-9)
      assert.is_close(m, n, 1e-9)
      for j = 1, #g do assert.is_close(g[j], h[j], 1e-8) end
      local single, rough = run(rl.norm_conv2d, "f32")
      assert.is_close(y, single:double(), 2e-3)
      assert.is_close(m, rough, 2e-3)
    end
  end)
  it("takes several cotangents at once", function()
    local y, leaves = chain("relu", true)
    local l1, l2 = (y * wave(y.shape, 3, f64)):sum(), (y * y * wave(y.shape, 4, f64)):sum()
    local both = rl.grads({ l1, l2 }, leaves, { retain = true })
    for k, l in ipairs { l1, l2 } do
      local one = rl.grad(l, leaves, { retain = true })
      for i = 1, #leaves do assert.is_close(one[i], both[k][i], 1e-11) end
    end
  end)
  it("computes only what is asked for", function()
    local x, w = wave({ 2, 5, 4, 4 }, 1, f64), wave({ 3, 7, 3, 3 }, 2, f64)
    local skip = wave({ 2, 2, 4, 4 }, 3, f64)
    local seed = wave({ 2, 3, 4, 4 }, 7, f64)
    for _, training in ipairs { true, false } do
      for wanted = 1, 5 do -- x, weight, bias, skip, conv_weight alone
        local function run(f)
          local a = { x:clone(), list(5, 4, f64), list(5, 5, f64), skip:clone(), w:clone() }
          a[wanted]:requires_grad_()
          local mean, var = list(5, 6, f64), list(5, 8, f64):abs() + 0.5
          local y = f(a[1], nil, mean, var, a[2], a[3], nil, a[4], a[5], nil,
            { training = training, act = "relu", padding = 1, want_moments = false })
          return rl.grad(y, a[wanted], { seed = seed })
        end
        assert.is_close(run(plain), run(rl.norm_conv2d), 1e-10)
      end
    end
  end)
  it("reads channel slices and adds to gradients that are there", function()
    local whole = wave({ 2, 9, 4, 5 }, 1, f64):contiguous { format = "channels_last" }
    local w = wave({ 3, 4, 3, 3 }, 2, leaf)
    local function run(f)
      local all = whole:detach():requires_grad_()
      local x = all:narrow(2, 3, 4)
      local y = f(x, nil, nil, nil, nil, nil, nil, nil, w, nil,
        { training = true, act = "relu", padding = 1, want_moments = false })
      local z = f(x, nil, nil, nil, nil, nil, nil, nil, w, nil,
        { training = true, act = "relu", padding = 1, want_moments = false })
      return rl.grad((y * z * wave(y.shape, 5, f64)):sum(), { all, w })
    end
    local g, h = run(plain), run(rl.norm_conv2d)
    assert.is_close(g[1], h[1], 1e-9)
    assert.is_close(g[2], h[2], 1e-9)
  end)
  it("hands on moments that carry no gradient", function()
    local x, w = wave({ 2, 3, 4, 4 }, 1, leaf), wave({ 5, 3, 1, 1 }, 2, leaf)
    local y, moments = rl.norm_conv2d(x, nil, nil, nil, nil, nil, nil, nil, w, { norm = false })
    assert.is_true(y.requires_grad and not moments.requires_grad)
    assert.same({ 2, 5 }, moments.shape)
    assert.is_nil(select(2, rl.norm_conv2d(x, nil, nil, nil, nil, nil, nil, nil, w,
      { norm = false, want_moments = false })))
  end)
  it("gives the same bits with 1 to 4 threads", function()
    local x, w = wave({ 2, 33, 20, 21 }, 1):float(), wave({ 17, 33, 3, 3 }, 3):float()
    local seed, was, first = wave({ 2, 17, 20, 21 }, 2):float(), rl.threads(), nil
    for threads = 1, 4 do
      rl.threads(threads)
      local xl, wl = x:detach():requires_grad_(), w:detach():requires_grad_()
      local y, m = rl.norm_conv2d(xl, nil, nil, nil, nil, nil, nil, nil, wl,
        { training = true, act = "relu", padding = 1 })
      local g = rl.grad(y, { xl, wl }, { seed = seed })
      first = first or { y, m, g[1], g[2] }
      for i, t in ipairs { y, m, g[1], g[2] } do assert.is_true(first[i]:equal(t)) end
    end
    rl.threads(was)
  end)
  it("takes no images", function()
    local x = rl.zeros({ 0, 3, 4, 4 }, { requires_grad = true })
    local w = rl.ones({ 2, 3, 3, 3 }, { requires_grad = true })
    local y = rl.norm_conv2d(x, nil, rl.zeros { 3 }, rl.ones { 3 }, nil, nil, nil, nil, w, { act = "relu" })
    assert.same({ 0, 2, 2, 2 }, y.shape)
    assert.is_close(rl.zeros { 2, 3, 3, 3 }, rl.grad(y:sum(), { x, w })[2], 0)
  end)
  it("refuses what does not fit", function()
    local x, w = rl.ones { 2, 3, 4, 4 }, rl.ones { 5, 3, 3, 3 }
    local function raises(text, ...)
      local arguments = table.pack(...)
      assert.error_matches(function() rl.norm_conv2d(table.unpack(arguments, 1, arguments.n)) end, text)
    end
    local t, off = { training = true }, { norm = false }
    raises("norm_conv2d: x is 2x3, conv_weight 5x3x3x3; both need four", rl.ones { 2, 3 }, nil, nil, nil, nil,
      nil, nil, nil, w, t)
    raises("skip is 2x2x4x4, x 2x3x4x4 with up = 2; skip must be 2xCx8x8", x, nil, nil, nil, nil, nil, nil,
      rl.ones { 2, 2, 4, 4 }, w, nil, { norm = false, up = 2 })
    raises("skip has 2 channels, conv_weight is 5x3x3x3 with 1 groups; it takes 3 channels, not 5", x,
      nil, nil, nil, nil, nil, nil, rl.ones { 2, 2, 4, 4 }, w, nil, off)
    raises("groups = 3 with up = 2", x, nil, nil, nil, nil, nil, nil, nil, rl.ones { 3, 1, 1, 1 }, nil,
      { norm = false, groups = 3, up = 2 })
    raises("conv_bias is 3, conv_weight 5x3x3x3", x, nil, nil, nil, nil, nil, nil, nil, w, rl.ones { 3 }, off)
    raises("the kernel does not fit", x, nil, nil, nil, nil, nil, nil, nil, rl.ones { 5, 3, 7, 7 }, off)
    raises("norm_conv2d: moments is 2x4, x is 2x3x4x4; it must be 2x3", x, rl.ones({ 2, 4 }, f64), nil, nil,
      nil, nil, nil, nil, w, t)
    raises("moments is f32", x, rl.ones { 2, 3 }, nil, nil, nil, nil, nil, nil, w, t)
  end)
end)
