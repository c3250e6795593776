local rl = require "rille"
local gating = rl.gating

-- Two losses, three parameters: "a.weight" and "b.weight" are shared, "head.weight" is reached by one loss
-- alone.
local function grads_of(...)
  local out = {}
  for k, list in ipairs { ... } do
    out[k] = {}
    for i, v in ipairs(list) do out[k][i] = rl.tensor(v) end
  end
  return out
end

local function ctx_of(main, losses)
  return { losses = losses or { "main", "side" }, main = main, step = 1, state = {},
    params = { "net.a.weight", "net.b.weight", "head.weight" } }
end

local agree = { { { 3, 4 }, { 0 }, { 0 } }, { { 1, 0 }, { 2 }, { 7 } } }
local conflict = { { { 3, 4 }, { 1 }, { 0 } }, { { -3, -4 }, { 2 }, { 7 } } }

local function run(gate, case, main, losses)
  local update, record = gate(grads_of(table.unpack(case)), ctx_of(main, losses))
  return { update[1]:tolist(), update[2]:tolist(), update[3]:tolist() }, record
end

describe("gradprom", function()
  it("adds lambda times the other gradient while both agree; heads keep their own whole", function()
    local u, r = run(gating.gradprom { lambda = 0.5 }, agree, 1)
    -- the main loss does not reach b and head: they take no part in the cosine
    assert.is_close({ { 3.5, 4 }, { 2 }, { 7 } }, u)
    assert.is_close({ 0.6, 1, 5, 0.5, 0.1 }, { r.cos, r.open, r.norm_main, r.norm_aux, r.ratio }, 1e-12)
    assert.is_close(0.6, r["layer.net.a.cos"], 1e-12)
    assert.is_nil(r["layer.head.cos"])
  end)
  it("follows the main one alone while they do not", function()
    local u, r = run(gating.gradprom { lambda = 0.5 }, conflict, 1)
    assert.is_close({ { 3, 4 }, { 1 }, { 7 } }, u)
    assert.is_close({ -23 / (26 ^ 0.5 * 29 ^ 0.5), 0 }, { r.cos, r.open }, 1e-12)
  end)
  it("opens at s = 0, where the rule of 2018 closes", function()
    local right_angle = { { { 3, 4 }, { 0 }, { 0 } }, { { 4, -3 }, { 0 }, { 1 } } }
    assert.is_close({ { 7, 1 }, { 0 }, { 1 } }, (run(gating.gradprom(), right_angle, 1)))
    assert.is_close({ { 3, 4 }, { 0 }, { 1 } }, (run(gating.cosine(), right_angle, 1)))
    assert.is_close({ { 3, 4 }, { 0 }, { 1 } }, (run(gating.gradprom { mode = "soft" }, right_angle, 1)))
  end)
  it("weighs by the cosine in soft mode, and keeps a floor in hard mode", function()
    assert.is_close({ { 3.6, 4 }, { 2 }, { 7 } }, (run(gating.gradprom { mode = "soft" }, agree, 1)))
    assert.is_close({ { 3, 4 }, { 2 }, { 7 } }, (run(gating.gradprom { floor = 0.7 }, agree, 1)))
    assert.is_close({ { 3, 4 }, { 1 }, { 7 } }, (run(gating.gradprom { mode = "soft" }, conflict, 1)))
  end)
  it("takes the main loss by its place, also the second", function()
    local u = run(gating.gradprom(), { conflict[2], conflict[1] }, 2)
    assert.is_close({ { 3, 4 }, { 1 }, { 7 } }, u)
  end)
  it("decides layer by layer when asked", function()
    local u, r = run(gating.gradprom { scope = "layer" }, conflict, 1)
    assert.is_close({ { 3, 4 }, { 3 }, { 7 } }, u)
    assert.same({ 0, 1 }, { r["layer.net.a.open"], r["layer.net.b.open"] })
    assert.same({ 0.5, nil }, { r.open, r["layer.head.open"] })
  end)
  it("reads several auxiliaries in four ways", function()
    local case = { { { 1, 0 }, { 0 }, { 0 } }, { { 1, 0 }, { 0 }, { 0 } }, { { -3, 1 }, { 0 }, { 1 } } }
    local losses = { "main", "x", "y" }
    local want = { each = { 2, 0 }, any = { -1, 1 }, all = { 1, 0 }, joint = { 1, 0 } }
    for reading, w in pairs(want) do
      local u, r = run(gating.gradprom { reading = reading }, case, 1, losses)
      assert.is_close(w, u[1])
      assert.is_close({ 1, -3 / 10 ^ 0.5 }, { r.cos_x, r.cos_y }, 1e-12)
    end
    local u = run(gating.gradprom { lambda = { x = 0.5 } }, case, 1, losses)
    assert.is_close({ 1.5, 0 }, u[1])
  end)
  it("keeps the promise that the update never points against the main gradient", function()
    rl.manual_seed(3)
    for _ = 1, 20 do
      local a, b = rl.randn { 5 }, rl.randn { 5 }
      for _, gate in ipairs { gating.gradprom(), gating.gradprom { mode = "soft" },
        gating.cosine { weighted = true } } do
        local u = gate({ { a }, { b } }, { losses = { "main", "side" }, main = 1, params = { "w" } })
        assert.truthy(rl.list_dot(u, { a }) >= rl.list_dot({ a }, { a }) * (1 - 1e-6))
      end
    end
  end)
  it("needs a main loss and finite gradients, and leaves what it is given alone", function()
    assert.error_matches(function() run(gating.gradprom(), agree, nil) end,
      'needs a main loss; write { "gradprom", main = "main" }')
    local bad = { { { 1 / 0, 1 }, { 1 }, { 0 } }, { { 1, 1 }, { 1 }, { 1 } } }
    assert.error_matches(function() run(gating.gradprom(), bad, 1) end,
      'gating.gradprom: the gradient of loss "main" is not finite in net.a.weight')
    local g = grads_of(table.unpack(agree))
    gating.gradprom { lambda = 0.5 }(g, ctx_of(1))
    assert.is_close({ 3, 4 }, g[1][1], 0)
    assert.is_close({ 1, 0 }, g[2][1], 0)
  end)
  it("measures tiny and huge gradients alike", function()
    local case = { { { 3e-30, 4e-30 }, { 0 }, { 0 } }, { { 1e30, 0 }, { 0 }, { 0 } } }
    local _, r = run(gating.gradprom(), case, 1)
    assert.is_close(0.6, r.cos, 1e-6)
  end)
end)

describe("none", function()
  it("adds, and tells the cosine all the same", function()
    local u, r = run(gating.none(), conflict, nil)
    assert.is_close({ { 0, 0 }, { 3 }, { 7 } }, u)
    assert.is_close(-23 / (26 ^ 0.5 * 29 ^ 0.5), r.cos, 1e-12)
  end)
end)

describe("pcgrad", function()
  it("takes from each gradient what points against the other", function()
    local case = { { { 1, 0 }, { 0 }, { 0 } }, { { -1, 1 }, { 0 }, { 5 } } }
    local u, r = run(gating.pcgrad(), case, nil)
    assert.is_close({ { 0.5, 1.5 }, { 0 }, { 5 } }, u)
    assert.same({ 2, 1 }, { r.cuts, r.conflicts })
  end)
  it("is the sum where nothing conflicts", function()
    assert.is_close({ { 4, 4 }, { 2 }, { 7 } }, (run(gating.pcgrad(), agree, nil)))
  end)
  it("keeps its order for a step, so that a run can be repeated", function()
    local case = { { { 1, 0 }, { 1 }, { 0 } }, { { -1, 1 }, { 0 }, { 5 } }, { { -1, -3 }, { -2 }, { 0 } } }
    local losses = { "a", "b", "c" }
    local one, two = run(gating.pcgrad(), case, nil, losses), run(gating.pcgrad(), case, nil, losses)
    assert.same(one, two)
    -- in the given order, by hand: projections on the original gradients
    local function project(g, on)
      local dot, nn = 0, 0
      for i = 1, 3 do dot, nn = dot + g[i] * on[i], nn + on[i] * on[i] end
      for i = 1, 3 do g[i] = g[i] - (dot < 0 and dot / nn or 0) * on[i] end
    end
    local G, sum = { { 1, 0, 1 }, { -1, 1, 0 }, { -1, -3, -2 } }, { 0, 0, 0 }
    for i = 1, 3 do
      local g = { table.unpack(G[i]) }
      for j = 1, 3 do
        if j ~= i then project(g, G[j]) end
      end
      for c = 1, 3 do sum[c] = sum[c] + g[c] end
    end
    local u = run(gating.pcgrad { order = "given" }, case, nil, losses)
    assert.is_close({ { sum[1], sum[2] }, { sum[3] }, { 5 } }, u, 1e-6)
  end)
end)
