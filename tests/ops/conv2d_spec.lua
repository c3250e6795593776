local rl = require "rille"
local f64 = { dtype = "f64" }

local function zeros(n, c, h, w)
  local t = {}
  for i = 1, n do
    t[i] = {}
    for j = 1, c do
      t[i][j] = {}
      for y = 1, h do
        t[i][j][y] = {}
        for x = 1, w do t[i][j][y][x] = 0 end
      end
    end
  end
  return t
end

-- The definition, in loops: y, and for the cotangent dy the gradients to x and weight.
local function plain(x, weight, o, dy)
  local N, C, H, W = #x, #x[1], #x[1][1], #x[1][1][1]
  local K, Cg, KH, KW = #weight, #weight[1], #weight[1][1], #weight[1][1][1]
  local s, p, d, groups = o.stride or { 1, 1 }, o.padding or { 0, 0 }, o.dilation or { 1, 1 }, o.groups or 1
  local OH = (H + 2 * p[1] - d[1] * (KH - 1) - 1) // s[1] + 1
  local OW = (W + 2 * p[2] - d[2] * (KW - 1) - 1) // s[2] + 1
  local y, dx, dw = zeros(N, K, OH, OW), zeros(N, C, H, W), zeros(K, Cg, KH, KW)
  for n = 1, N do for k = 1, K do for oy = 1, OH do for ox = 1, OW do
    for c = 1, Cg do for ky = 1, KH do for kx = 1, KW do
      local iy = (oy - 1) * s[1] - p[1] + (ky - 1) * d[1] + 1
      local ix = (ox - 1) * s[2] - p[2] + (kx - 1) * d[2] + 1
      local ci = (k - 1) // (K // groups) * Cg + c
      if iy >= 1 and iy <= H and ix >= 1 and ix <= W then
        local v, w, g = x[n][ci][iy][ix], weight[k][c][ky][kx], dy and dy[n][k][oy][ox] or 0
        y[n][k][oy][ox] = y[n][k][oy][ox] + v * w
        dx[n][ci][iy][ix] = dx[n][ci][iy][ix] + g * w
        dw[k][c][ky][kx] = dw[k][c][ky][kx] + g * v
      end
    end end end
  end end end end
  return y, dx, dw
end

local cases = {
  { x = { 2, 3, 6, 5 }, w = { 4, 3, 3, 3 }, o = { padding = { 1, 1 } } },
  { x = { 1, 2, 8, 7 }, w = { 3, 2, 3, 2 }, o = { stride = { 2, 3 }, padding = { 1, 0 } } },
  { x = { 2, 5, 4, 4 }, w = { 7, 5, 1, 1 }, o = {} },
  { x = { 1, 6, 7, 7 }, w = { 4, 3, 3, 3 }, o = { groups = 2, dilation = { 2, 1 } } },
  { x = { 2, 3, 9, 9 }, w = { 5, 3, 7, 7 }, o = { stride = { 2, 2 }, padding = { 3, 3 } } },
}

describe("conv2d", function()
  it("is the sum of its definition, and so are its gradients", function()
    for _, case in ipairs(cases) do
      local x, w = rl.randn(case.x, f64):requires_grad_(), rl.randn(case.w, f64):requires_grad_()
      local bias = rl.randn({ case.w[1] }, f64):requires_grad_()
      local y = rl.conv2d(x, w, bias, case.o)
      local dy = rl.randn(y.shape, f64)
      local want, dx, dw = plain(x:tolist(), w:tolist(), case.o, dy:tolist())
      local b = bias:tolist()
      for _, image in ipairs(want) do
        for k, plane in ipairs(image) do
          for _, row in ipairs(plane) do
            for i = 1, #row do row[i] = row[i] + b[k] end
          end
        end
      end
      assert.is_close(want, y, 1e-12);
      (y * dy):sum():backward()
      assert.is_close(dx, x.grad, 1e-12)
      assert.is_close(dw, w.grad, 1e-12)
      assert.is_close(dy:sum { dim = { 1, 3, 4 } }, bias.grad, 1e-12)
    end
  end)
  it("gives channels-last memory under an N,C,H,W shape", function()
    local y = rl.conv2d(rl.ones { 1, 2, 3, 3 }, rl.ones { 4, 2, 2, 2 })
    assert.are.same({ 1, 4, 2, 2 }, y.shape)
    assert.is_close(8, y:sum():item() / 16)
  end)
  it("takes an empty batch", function()
    assert.are.same({ 0, 3, 2, 2 }, rl.conv2d(rl.zeros { 0, 2, 4, 4 }, rl.zeros { 3, 2, 3, 3 }).shape)
  end)
  it("keeps NaN where the kernel touches it, and only there", function()
    local x = rl.zeros { 1, 1, 1, 5 }
    x[{ 1, 1, 1, 1 }] = 0 / 0
    local y = rl.conv2d(x, rl.ones { 1, 1, 1, 2 }):tolist()[1][1][1]
    assert.is_true(y[1] ~= y[1])
    assert.are.equal(0, y[2])
  end)
  it("goes by Winograd or directly, as the switch says", function()
    local x, weight = rl.randn { 2, 32, 24, 24 }, rl.randn { 32, 32, 3, 3 }
    local was = rl.winograd()
    local y = rl.winograd(true) and rl.conv2d(x, weight, { padding = 1 })
    assert.is_false(rl.winograd(false))
    local direct = rl.conv2d(x, weight, { padding = 1 })
    rl.winograd(was)
    local worst = (y - direct):abs():max()
    assert.is_true(worst:item() > 0) -- another order of sums
    assert.is_true(worst:item() < 1e-3) -- 288 products of normal numbers: 5e-7 of their size, 17
  end)
  it("refuses channels, groups and kernels that do not fit", function()
    assert.error_matches(function()
      rl.conv2d(rl.zeros { 1, 3, 4, 4 }, rl.zeros { 2, 4, 3, 3 })
    end, "conv2d: x is 1x3x4x4, weight 2x4x3x3")
    assert.error_matches(function()
      rl.conv2d(rl.zeros { 1, 1, 2, 2 }, rl.zeros { 2, 1, 3, 3 })
    end, "does not fit")
    assert.error_matches(function()
      rl.conv2d(rl.zeros { 1, 2, 4, 4 }, rl.zeros { 3, 1, 3, 3 }, { groups = 2 })
    end, "do not divide")
    assert.error_matches(function() rl.conv2d(rl.zeros { 1, 2, 4 }, rl.zeros { 3, 2, 3, 3 }) end, "four dims")
    assert.error_matches(function()
      rl.conv2d(rl.zeros { 1, 2, 4, 4 }, rl.zeros { 3, 2, 3, 3 }, rl.zeros { 2 })
    end, "bias is 2")
  end)
end)
