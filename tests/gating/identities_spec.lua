-- Which rules are the same, which are not, and what every rule does with losses exchanged or scaled, and with
-- gradients that are zero, parallel, opposite or not finite.
local gates = require "support.gates"
local random = require "rille.util.random"

local function rows_of(K, n, seed)
  local draw, rows = random(seed), {}
  for k = 1, K do
    rows[k] = {}
    for j = 1, n do rows[k][j] = draw(2000) / 1000 - 1 end
  end
  return rows
end

local function run(name, options, rows, more)
  local ctx = { main = gates.NEED_MAIN[name] and 1 or nil, halves = gates.halves(rows) }
  for key, v in pairs(more or {}) do ctx[key] = v end
  return gates.run(gates.make(name, options), rows, ctx)
end

local function same(a, b)
  for seed = 1, 12 do
    local rows = rows_of(a.K or 3, 5, seed)
    local one, two = run(a[1], a[2], rows), run(b[1], b[2], rows)
    for j = 1, 5 do two[j] = two[j] * (a.times or 1) end
    assert.is_close(one, two, a.tolerance or 1e-9, a[1] .. " and " .. b[1])
  end
end

describe("rules that are the same", function()
  for _, pair in ipairs {
    { { "gradprom", {} }, { "cosine", {} } },
    { { "gradprom", { mode = "soft" } }, { "cosine", { weighted = true } } },
    { { "gradprom", { reading = "joint", K = 2 }, K = 2 }, { "gradprom", {} } },
    { { "fairgrad", { alpha = 1 } }, { "nash_mtl", { max_norm = 0 } } },
    { { "gradvac", { beta = 0, order = "given" } }, { "pcgrad", { order = "given" } } },
    { { "pcgrad", {}, K = 2, times = 2 }, { "upgrad", {} } },
    { { "none", {} }, { "equal", {} } },
    { { "cagrad", { c = 0 }, times = 1 / 3 }, { "none", {} } },
    { { "cr_mogm", { rule = "cagrad", smooth = 0 } }, { "cagrad", {} } },
    { { "random", {} }, { "rlw", {} } },
    { { "projection", { scope = "layer" } }, { "projection", {} } },
    { { "mgda", { scope = "tensor" } }, { "mgda", { scope = { g = "net." } } } },
  } do
    pair[1][2].K = nil
    it(pair[1][1] .. " and " .. pair[2][1], function() same(pair[1], pair[2]) end)
  end
  it("lambda inside and outside a cosine of one auxiliary", function()
    local rows = rows_of(2, 5, 4)
    for _, inside in ipairs { true, false } do
      local u = run("gradprom", { mode = "soft", reading = "joint", lambda = 0.3, inside = inside }, rows)
      assert.is_close(run("gradprom", { mode = "soft", lambda = 0.3 }, rows), u, 1e-12)
    end
    rows = { { 1, 0 }, { 1, 2 }, { -1, 0 } } -- two auxiliaries: weights enter the joint cosine, or not
    local lambda = { b = 0.5, c = 1 }
    assert.same({ 1, 0 }, (run("gradprom", { reading = "joint", lambda = lambda }, rows)))
    assert.same({ 0.5, 1 }, (run("gradprom", { reading = "joint", lambda = lambda, inside = false }, rows)))
  end)
end)

-- Ten steps of plain descent on three quadratic losses |A_k (x - c_k)|^2 / 2 + 1/10.
local function descend(name)
  local gate, state, x = gates.make(name), {}, { 0.5, -0.3, 0.8, 0.1, -0.6 }
  local centres, scales = rows_of(3, 5, 81), rows_of(3, 5, 82)
  local function look()
    local rows, values = {}, {}
    for k = 1, 3 do
      rows[k], values[k] = {}, 0.1
      for j = 1, 5 do
        local s = 0.2 + k * scales[k][j] ^ 2
        rows[k][j], values[k] = s * (x[j] - centres[k][j]), values[k] + s * (x[j] - centres[k][j]) ^ 2 / 2
      end
    end
    return rows, values
  end
  for t = 1, 10 do
    local rows, values = look()
    local ctx = gates.ctx(3, { state = state, step = t, epoch = t, values = values, main = 2, lr = 0.05,
      halves = gates.halves(rows), reevaluate = function() return select(2, look()) end })
    local u = gate(gates.grads(rows), ctx)[1]:tolist()
    for j = 1, 5 do x[j] = x[j] - 0.05 * u[j] end
    if gate.after then gate.after(ctx) end
  end
  return x
end

describe("all other rules", function()
  it("differ after ten steps on three tasks", function()
    local known = { ["equal none"] = true, ["cosine gradprom"] = true, ["random rlw"] = true }
    local names, ends = gates.names(), {}
    for _, name in ipairs(names) do ends[name] = descend(name) end
    for i, a in ipairs(names) do
      for j = i + 1, #names do
        local far, b = 0, names[j]
        for c = 1, 5 do far = math.max(far, math.abs(ends[a][c] - ends[b][c])) end
        assert.equal(known[a .. " " .. b] or false, far < 1e-9, ("%s and %s are %g apart"):format(a, b, far))
      end
    end
  end)
end)

describe("losses in another order", function()
  local DRAWN = { random = true, rlw = true, cosmos = true, graddrop = true }
  local ORDERED = { pcgrad = true, gradvac = true }
  for _, name in ipairs(gates.names()) do
    if not DRAWN[name] then
      it("give the same update: " .. name, function()
        for seed = 1, 3 do
          local K = ORDERED[name] and 2 or 4
          local rows, values, back, turned = rows_of(K, 5, seed), { 0.4, 1.1, 0.7, 0.9 }, {}, {}
          for k = 1, K do back[k], turned[k] = rows[K + 1 - k], values[K + 1 - k] end
          local one = run(name, nil, rows, { values = values })
          local two = run(name, nil, back, { values = turned, main = gates.NEED_MAIN[name] and K or nil })
          assert.is_close(one, two, 1e-9)
        end
      end)
    end
  end
end)

describe("gradients s times as large", function()
  local POWER = { nash_mtl = 0, fairgrad = 1 - 4 / 3, gradprom = 1, mgda = 1, pcgrad = 1, gradvac = 1,
    imtl_g = 1, cagrad = 1, aligned_mtl = 1, dualproj = 1, upgrad = 1, config = 1, krum = 1, cr_mogm = 1,
    trimmed_mean = 1, projection = 1, cosine = 1, excess_mtl = 1, pcd = 1 }
  for name, power in pairs(POWER) do
    it(("give an update s^%.2f times as large: %s"):format(power, name), function()
      local rows, large = rows_of(3, 5, 9), {}
      for k = 1, 3 do
        large[k] = {}
        for j = 1, 5 do large[k][j] = 100 * rows[k][j] end
      end
      local options = name == "nash_mtl" and { max_norm = 0 } or nil
      local one, two = run(name, options, rows), run(name, options, large)
      for j = 1, 5 do one[j] = one[j] * 100 ^ power end
      assert.is_close(one, two, 1e-6) -- PCD and ExcessMTL add constants under their roots
    end)
  end
  it("of one loss alone do not matter to Nash-MTL, nor to ConFIG's direction", function()
    local rows = rows_of(3, 5, 9)
    local one, config = run("nash_mtl", {}, rows), run("config", {}, rows)
    for j = 1, 5 do rows[2][j] = 50 * rows[2][j] end
    assert.is_close(one, run("nash_mtl", {}, rows), 1e-9)
    local other = run("config", {}, rows)
    for j = 1, 5 do assert.is_close(config[j] / config[1], other[j] / other[1], 1e-9) end
  end)
end)

describe("the main loss", function()
  it("is never slowed by what the gates let in: <d, g_main> >= |g_main|^2", function()
    for _, o in ipairs { { mode = "hard" }, { mode = "soft" }, { reading = "all" }, { reading = "joint" },
      { mode = "soft", reading = "joint" }, { lambda = 0.1 } } do
      for seed = 1, 20 do
        local rows, dot, own = rows_of(3, 4, seed), 0, 0
        local u = run("gradprom", o, rows)
        for j = 1, 4 do dot, own = dot + u[j] * rows[1][j], own + rows[1][j] ^ 2 end
        assert.truthy(dot >= own - 1e-12)
      end
    end
  end)
end)
