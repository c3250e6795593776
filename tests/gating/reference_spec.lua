-- Updates of three steps in a row against other programs: TorchJD, scipy's solvers, torch's autograd and
-- Adam, numpy (tests/gating/reference.py makes the numbers).
local gates = require "support.gates"
local json = require "rille.util.json"
local rl = require "rille"

local function read()
  local f <close> = assert(io.open(_G.RILLE_ROOT .. "/tests/golden/gating.json"))
  return json.decode(f:read "a")
end

local golden = read()

local function check(case)
  local K = case.losses
  local data, gate, state = golden.data[tostring(K)], gates.make(case.rule, case.options), {}
  for t, want in ipairs(case.want) do
    local halves = data.halves[t]
    local ctx = gates.ctx(K, { step = t, state = state, values = data.values[t], main = case.main })
    function ctx.halves() return { gates.grads(halves[1]), gates.grads(halves[2]) } end
    function ctx.reevaluate() return data.after[t] end
    local update = gate(gates.grads(data.gradients[t]), ctx)
    if gate.after then gate.after(ctx) end
    assert.is_close(want, update[1], case.tolerance, ("%s, %d losses, step %d"):format(case.rule, K, t))
  end
end

describe("a rule's updates are those of another program:", function()
  for n, case in ipairs(golden.cases) do
    it(("%d %s, %d losses (%s)"):format(n, case.rule, case.losses, case.source), function() check(case) end)
  end
end)

describe("DWA", function()
  it("weighs by the means of the last two epochs", function()
    local gate, state, w = rl.gating.dwa { T = 2 }, {}, nil
    local epochs = { { { 4, 1 }, { 2, 1 } }, { { 2, 1 }, { 1, 0.8 } }, { { 1, 1 } } } -- means 3, 1; 1.5, 0.9
    for epoch, steps in ipairs(epochs) do
      for _, values in ipairs(steps) do
        w = gate.scale { losses = { "a", "b" }, values = values, epoch = epoch, step = 1, state = state }
      end
    end
    local a, b = math.exp(0.5 / 2), math.exp(0.9 / 2)
    assert.is_close({ 2 * a / (a + b), 2 * b / (a + b) }, w, 1e-12)
  end)
end)

describe("gradients of other steps", function()
  it("are drawn anew by random rules from seed and step, with weights of sum 1", function()
    for _, name in ipairs { "random", "rlw" } do
      local one = gates.run(gates.make(name), { { 1, 0 }, { 0, 1 } })
      local again = gates.run(gates.make(name), { { 1, 0 }, { 0, 1 } })
      local other = gates.run(gates.make(name), { { 1, 0 }, { 0, 1 } }, { step = 2 })
      assert.same(one, again)
      assert.is_close(1, one[1] + one[2], 1e-12)
      assert.truthy(math.abs(one[1] - other[1]) > 1e-6)
    end
  end)
  it("GradDrop keeps one sign per coordinate, with the chance of its share", function()
    rl.manual_seed(5)
    local n, rows = 4000, { {}, {} }
    for j = 1, n do rows[1][j], rows[2][j] = 3, -1 end -- P = 1/2 (1 + 2/4) = 3/4
    local u, up = gates.run(gates.make "graddrop", rows), 0
    for j = 1, n do
      assert.truthy(u[j] == 3 or u[j] == -1)
      up = up + (u[j] == 3 and 1 or 0)
    end
    assert.is_close(0.75, up / n, 4 * (0.75 * 0.25 / n) ^ 0.5) -- four standard deviations
    assert.same({ 4, -3, 0 }, (gates.run(gates.make "graddrop", { { 1, -1, 0 }, { 3, -2, 0 } })))
  end)
end)
