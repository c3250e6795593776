-- Operands stretched over maps large enough for tiles, partial tiles and partial sums: as if written out.
local rl = require "rille"

local function channels_last(x) return x:contiguous { format = "channels_last" } end
local function same(x) return x end

local function try(op, shape, small, lay, dtype)
  local options = { dtype = dtype }
  local a = lay(rl.randn(shape, options)):detach():requires_grad_()
  local b = (rl.rand(small, options) + 0.5):detach():requires_grad_()
  local seed = lay(rl.randn(shape, options))
  local wide = b:detach():expand(shape):contiguous():requires_grad_()
  local y, plain = op(a, b), op(a, wide)
  assert.is_true(plain:equal(y))
  local got = rl.grads({ (y * seed):sum() }, { a, b })[1]
  local want = rl.grads({ (plain * seed):sum() }, { a, wide })[1]
  assert.is_true(want[1]:equal(got[1]))
  local folded = want[2]:double()
  for d, size in ipairs(small) do
    if size == 1 then folded = folded:sum(d + #shape - #small, true) end
  end
  while #folded.shape > #small do folded = folded:sum(1) end
  local scale = folded:abs():max():item() + 1
  assert.is_close(folded / scale, got[2]:double() / scale, dtype == "f64" and 1e-13 or 1e-6)
  local alone = rl.grad((op(a:detach(), b) * seed):sum(), b)
  assert.is_true(got[2]:equal(alone))
end

describe("stretched operands", function()
  local ops = { rl.mul, rl.div, rl.sub, rl.maximum }
  local shapes = {
    { { 2, 33, 40, 30 }, { 2, 33, 1, 1 } }, { { 2, 33, 40, 30 }, { 1, 33, 1, 1 } },
    { { 2, 33, 40, 30 }, { 33, 1, 1 } }, { { 2, 33, 40, 30 }, { 2, 1, 40, 30 } },
    { { 3, 700, 5, 4 }, { 3, 700, 1, 1 } }, { { 2, 5, 90, 70 }, { 2, 5, 1, 1 } },
    { { 2, 6, 30, 50 }, { 1 } }, { { 2, 6, 30, 50 }, { 2, 1, 30, 1 } },
  }
  for _, lay in ipairs { channels_last, same } do
    for i, pair in ipairs(shapes) do
      it(("equal written-out ones: shapes %d, %s"):format(i, lay == same and "rows" or "pixels"), function()
        rl.manual_seed(i)
        for k, op in ipairs(ops) do try(op, pair[1], pair[2], lay, (i + k) % 2 == 0 and "f32" or "f64") end
      end)
    end
  end
  it("work for rows and columns of matrices", function()
    for _, small in ipairs { { 70 }, { 1, 70 }, { 500, 1 }, { 1 } } do
      for _, op in ipairs(ops) do try(op, { 500, 70 }, small, same, "f64") end
    end
  end)
  it("give the same bytes for any number of threads", function()
    local was, want = rl.threads(), nil
    rl.manual_seed(3)
    local a, b = channels_last(rl.randn { 2, 64, 50, 40 }), rl.randn({ 2, 64, 1, 1 }):requires_grad_()
    for n = 1, 4 do
      rl.threads(n)
      local d = rl.grad((a * b):sum(), b)
      want = want or d
      assert.is_true(want:equal(d))
    end
    rl.threads(was)
  end)
end)
