local rl, gradcheck = require "rille", require "rille.testing.gradcheck"
local wave = require "support.wave"
local f64 = { dtype = "f64" }
local leaf = { dtype = "f64", requires_grad = true }

-- The result's and the gradient's elements, for a fixed seed.
local function both(opts)
  local x = wave({ 1, 2, 3, 4 }, 0.3, leaf)
  local y = rl.interpolate(x, opts)
  return y:reshape { -1 }, rl.grad(y, x, { seed = wave(y.shape, 9, f64) }):reshape { -1 }
end

describe("interpolate", function()
  it("agrees with PyTorch, both ways", function()
    local y, d
    y, d = both { scale_factor = 2 }
    assert.is_close({ 1.108507917, 1.108507917, -1.461312375, -1.461312375, 1.416112519, 1.416112519,
      -0.7275097683, -0.7275097683, 1.108507917, 1.108507917, -1.461312375, -1.461312375, 1.416112519,
      1.416112519, -0.7275097683, -0.7275097683, -1.119001526, -1.119001526, 0.4876941227, 0.4876941227,
      1.160239455, 1.160239455, 1.09417668, 1.09417668, -1.119001526, -1.119001526, 0.4876941227,
      0.4876941227, 1.160239455, 1.160239455, 1.09417668, 1.09417668, 0.1954989937, 0.1954989937,
      -1.384675948, -1.384675948, -0.05798719403, -0.05798719403, 0.8878882438, 0.8878882438, 0.1954989937,
      0.1954989937, -1.384675948, -1.384675948, -0.05798719403, -0.05798719403, 0.8878882438, 0.8878882438,
      -0.8571159074, -0.8571159074, -0.05548486892, -0.05548486892, 1.446224643, 1.446224643, 0.06875057308,
      0.06875057308, -0.8571159074, -0.8571159074, -0.05548486892, -0.05548486892, 1.446224643, 1.446224643,
      0.06875057308, 0.06875057308, -0.8351905974, -0.8351905974, -0.8554751702, -0.8554751702,
      -0.004893089018, -0.004893089018, 1.408838282, 1.408838282, -0.8351905974, -0.8351905974,
      -0.8554751702, -0.8554751702, -0.004893089018, -0.004893089018, 1.408838282, 1.408838282,
      0.1162771525, 0.1162771525, -1.028543733, -1.028543733, 1.090067134, 1.090067134, -0.3732648728,
      -0.3732648728, 0.1162771525, 0.1162771525, -1.028543733, -1.028543733, 1.090067134, 1.090067134,
      -0.3732648728, -0.3732648728 }, y, 1e-9)
    assert.is_close({ -0.6595220142, -0.4028764631, -0.6244948876, -2.875175348, 1.856080533, -2.547564449,
      -1.50212485, 0.2608932574, -1.466616507, 2.515507351, 0.8008494405, 3.64421907, 4.728275644,
      1.294935817, -1.005414837, 0.9848721831, 1.541886504, 1.311276453, -1.822571238, -2.924083285,
      3.6900396, -1.771393673, -1.831555496, 3.885659763 }, d, 1e-9)
    y, d = both { size = { 2, 7 } }
    assert.is_close({ 1.108507917, 1.108507917, -1.461312375, -1.461312375, 1.416112519, 1.416112519,
      -0.7275097683, -1.119001526, -1.119001526, 0.4876941227, 0.4876941227, 1.160239455, 1.160239455,
      1.09417668, -0.8571159074, -0.8571159074, -0.05548486892, -0.05548486892, 1.446224643, 1.446224643,
      0.06875057308, -0.8351905974, -0.8351905974, -0.8554751702, -0.8554751702, -0.004893089018,
      -0.004893089018, 1.408838282 }, y, 1e-9)
    assert.is_close({ -0.1814380083, 0.0262382121, -1.130049903, -1.498899076, -2.631722028, 1.691369537,
      -0.008447345361, -0.9522347187, 0, 0, 0, 0, 0.1231146164, 2.908624223, 0.2847864685, -1.078511979,
      -0.005341042542, 1.549101472, -2.799554139, -1.391826368, 0, 0, 0, 0 }, d, 1e-9)
    y, d = both { scale_factor = 2, mode = "bilinear" }
    assert.is_close({ 1.108507917, 0.4660528441, -0.8188573018, -0.7419561513, 0.6967562955, 0.8802069471,
      -0.1916041965, -0.7275097683, 0.5516305563, 0.1702077296, -0.5926379237, -0.3925094996, 0.7705930021,
      0.9460861507, 0.1339699461, -0.2720881562, -0.5621241654, -0.4214824995, -0.1401991676, 0.306383804,
      0.9182664154, 1.077844558, 0.7851182312, 0.638755068, -0.7903763962, -0.5878818959, -0.1828928952,
      0.2286219021, 0.6466624959, 0.9024132374, 0.9958741265, 1.042604571, -0.1331261363, -0.3289904597,
      -0.7207191066, -0.6257952055, -0.0442187563, 0.4197921894, 0.7662376317, 0.9394603529, 0.1954989937,
      -0.1995447417, -0.9896322123, -1.053003759, -0.3896593824, 0.1784816654, 0.6514193843, 0.8878882438,
      -0.8571159074, -0.6567081478, -0.2558926286, 0.3199425091, 1.070797265, 1.101856126, 0.4131190906,
      0.06875057308, -0.8516345799, -0.702596546, -0.4045204782, 0.07924946932, 0.7487132965, 0.9135270326,
      0.5736906777, 0.4037725002, -0.8406719249, -0.7943733424, -0.7017761774, -0.4021366102, 0.1045453593,
      0.5368688466, 0.8948338519, 1.073816354, -0.5973236599, -0.6726783227, -0.8233876482, -0.6068449916,
      -0.0230503527, 0.4424633483, 0.7896961115, 0.963312493, -0.121589785, -0.3375114869, -0.7693548906,
      -0.5348756748, 0.3659261606, 0.6303105376, 0.2582774564, 0.07226091581, 0.1162771525, -0.1699280689,
      -0.7423385118, -0.4988910164, 0.5604144172, 0.7242341323, -0.007431871105, -0.3732648728 }, y, 1e-9)
    assert.is_close({ -0.4463751716, 0.6248542094, -1.073163732, -2.759708445, 1.231744494, -1.510541984,
      -1.307417224, 0.7959021486, -0.4399683763, 0.1185009582, 0.5662080434, 3.199140212, 4.127517195,
      1.340455184, -0.03570968929, 0.3610853264, 2.225054115, 1.074700724, -1.458915679, -1.89503043,
      2.484408153, -0.6946412631, -1.243896343, 1.796900142 }, d, 1e-9)
    y, d = both { size = { 2, 7 }, mode = "bilinear" }
    assert.is_close({ 0.5516305563, 0.00674080388, -0.8650827999, 0.1890417513, 1.236127652, 0.3079948471,
      -0.2720881562, -0.1331261363, -0.4129323126, -0.8606221948, -0.3350069809, 0.2960616743, 0.6919993227,
      0.9394603529, -0.8516345799, -0.6387231029, -0.2980647397, 0.4139813829, 1.034897159, 0.6465127537,
      0.4037725002, -0.121589785, -0.4300493591, -0.9235846776, -0.08447475712, 0.7631794952, 0.337998831,
      0.07226091581 }, y, 1e-9)
    assert.is_close({ -0.5635838364, -0.08318155425, 0.30288162, -1.744227811, -0.7330078067, 0.15269092,
      0.02038417336, -0.611363119, -1.635439584, 0.5412543142, -0.2417291, -0.08986154645, -0.08222052911,
      1.809530518, 1.050538409, -1.099338401, 0.1273053247, 0.7960940416, -0.05561706828, -0.9701839851,
      0.4641365031, 0.5787516068, -1.217389613, -1.811213555 }, d, 1e-9)
    y, d = both { size = { 2, 5 }, mode = "bilinear", align_corners = true }
    assert.is_close({ 1.108507917, -0.8188573018, -0.02259992792, 0.8802069471, -0.7275097683, 0.1954989937,
      -0.9896322123, -0.7213315708, 0.1784816654, 0.8878882438, -0.8571159074, -0.2558926286, 0.6953698871,
      1.101856126, 0.06875057308, 0.1162771525, -0.7423385118, 0.03076170039, 0.7242341323, -0.3732648728 },
      y, 1e-9)
    assert.is_close({ -1.170242447, 0.2947694869, 0.366696135, 0.5290623971, 0, 0, 0, 0, -1.68026004,
      -1.873869751, -1.598943798, 0.3711643482, 0.6705631344, -0.3707829426, 0.01471882807, -1.056882934, 0,
      0, 0, 0, 1.304765499, 1.81713874, 1.477242666, -0.4637973431 }, d, 1e-9)
    y, d = both { scale_factor = 0.6, mode = "bilinear" }
    assert.is_close({ -0.02654466788, 1.330821498, -0.6739210814, 0.9625187324 }, y, 1e-9)
    assert.is_close({ -0.6665973008, -0.3332986504, 0.878937279, 0, -0.3332986504, -0.1666493252,
      0.4394686395, 0, 0, 0, 0, 0, -0.6169199573, -0.3084599786, 0.9428720773, 0, -0.3084599786,
      -0.1542299893, 0.4714360387, 0, 0, 0, 0, 0 }, d, 1e-9)
  end)
  it("has the right gradient, also through views and for many channels", function()
    for _, opts in ipairs { { scale_factor = 2 }, { size = { 5, 3 }, mode = "bilinear" },
      { size = { 6, 2 }, mode = "bilinear", align_corners = true } } do
      gradcheck(function(x) return rl.interpolate(x, opts) end, { wave({ 1, 17, 3, 4 }, 2, leaf) })
      gradcheck(function(x) return rl.interpolate(x:transpose(2, 4):narrow(3, 1, 3), opts) end,
        { wave({ 2, 3, 4, 2 }, 2, leaf) })
    end
  end)
  it("leaves an image of the same size as it is, and a constant one constant", function()
    local x = wave({ 2, 3, 4, 5 }, 1)
    for _, mode in ipairs { "nearest", "bilinear" } do
      assert.is_close(x, rl.interpolate(x, { size = { 4, 5 }, mode = mode }), 0)
      assert.is_close(rl.full({ 1, 1, 7, 3 }, 0.75),
        rl.interpolate(rl.full({ 1, 1, 4, 5 }, 0.75), { size = { 7, 3 }, mode = mode }), 1e-7)
    end
    assert.same(0, rl.interpolate(rl.ones { 0, 3, 4, 4 }, { scale_factor = 2 }):numel())
  end)
  it("keeps corners with align_corners", function()
    local x = rl.tensor { { { { 1, 2 }, { 3, 4 } } } }
    local y = rl.interpolate(x, { size = 3, mode = "bilinear", align_corners = true })
    assert.is_close({ 1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4 }, y:reshape { 9 }, 0)
  end)
  it("adds to a gradient that is there", function()
    local x = wave({ 1, 2, 4, 4 }, 1, leaf)
    local function f() return rl.interpolate(x, { scale_factor = 2, mode = "bilinear" }):sum() end
    assert.is_close(rl.grad(f(), x) * 3, rl.grad(f() + f() * 2, x), 1e-14)
  end)
  it("refuses what has no size", function()
    local x = rl.ones { 1, 1, 4, 4 }
    assert.error_matches(function() rl.interpolate(x) end, "interpolate: give either size or scale_factor")
    assert.error_matches(function() rl.interpolate(x, { size = 0 }) end,
      "interpolate: 1x1x4x4 would become 0")
    assert.error_matches(function() rl.interpolate(x, { scale_factor = 0.1 }) end,
      "would become 0 along dim 3")
    assert.error_matches(function() rl.interpolate(x, { scale_factor = 2, align_corners = true }) end,
      "interpolate: align_corners goes with")
    assert.error_matches(function() rl.interpolate(rl.ones { 4, 4 }, { size = 2 }) end,
      "interpolate: x is 4x4")
    assert.error_matches(function() rl.interpolate(x, { size = 2, mode = "cubic" }) end, "nearest bilinear")
  end)
end)

describe("interpolate_cat", function()
  local plain
  for _, row in ipairs(rl.ops) do
    if row.name == "interpolate_cat" then plain = assert(load("local rl = ...; return " .. row.plain))(rl) end
  end

  local function close(want, y, near)
    assert.same(want.shape, y.shape)
    local off = (want - y):abs():max():item()
    assert.is_true(off <= near, ("off by %g"):format(off))
  end

  local function alike(sizes, opts, dtype, near)
    local list = {}
    for i, s in ipairs(sizes) do
      list[i] = rl.randn(s):to(dtype):contiguous "channels_last"
      list[i].requires_grad = true
    end
    local y, want = rl.interpolate_cat(list, opts), plain(list, opts)
    close(want, y, near)
    local seed = rl.randn(y.shape):to(dtype)
    local dx = rl.grad(want, list, { seed = seed })
    for i, d in ipairs(rl.grad(y, list, { seed = seed })) do close(dx[i], d, near * 10) end
  end

  it("is cat of interpolate, both ways", function()
    for _, mode in ipairs { "nearest", "bilinear" } do
      local o = { size = { 7, 6 }, mode = mode }
      alike({ { 2, 3, 5, 4 }, { 2, 17, 9, 2 }, { 2, 1, 1, 1 } }, o, "f64", 1e-13)
      alike({ { 1, 2, 3, 3 }, { 1, 5, 3, 3 } }, { scale_factor = 2, mode = mode }, "f64", 1e-13)
      alike({ { 4, 64, 21, 33 }, { 4, 32, 7, 90 }, { 4, 48, 1, 2 } }, { size = { 86, 100 }, mode = mode },
        "f32", 3e-5) -- 20 MB: past the caches; going back, sums of up to 4300 numbers
    end
  end)
  it("refuses what does not lie side by side", function()
    assert.error_matches(function() rl.interpolate_cat { size = 2 } end, "at least one tensor")
    assert.error_matches(function()
      rl.interpolate_cat({ rl.ones { 1, 2, 4, 4 }, rl.ones { 1, 2, 3, 3 } }, { scale_factor = 2 })
    end, "interpolate_cat: tensor 2, 1x2x3x3, becomes 6x6 of 1 images, the first 1x2x8x8")
    assert.error_matches(function()
      rl.interpolate_cat({ rl.ones { 1, 2, 4, 4 }, rl.ones { 2, 2, 4, 4 } }, { size = 3 })
    end, "tensor 2, 2x2x4x4, becomes 3x3 of 2 images")
  end)
end)
