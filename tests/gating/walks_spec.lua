-- All ways to walk back give one update: full lists, products taken on the way, no gradient per loss, a
-- shared activation; and what a step records of its gradients.
local core = require "rille.core"
local gates = require "support.gates"
local measure = require "rille.gating.measure"
local rl = require "rille"
local walks = require "rille.gating.walks"
local nn = rl.nn

-- A trunk that is used twice and normalises by the batch, three heads; one parameter that nothing reaches.
local function net()
  rl.manual_seed(4)
  local f64 = { dtype = "f64" }
  local trunk = nn.Sequential(nn.Conv2d(2, 4, 3, { padding = 1 }), nn.BatchNorm2d(4), nn.ReLU())
  local again = nn.Conv2d(4, 4, 3, { padding = 1 })
  local heads = { nn.Linear(4, 1), nn.Linear(4, 1), nn.Linear(4, 1) }
  local params, names = {}, {}
  local function add(name, m)
    m:to "f64"
    for _, p in ipairs(m:named_parameters()) do
      params[#params + 1], names[#names + 1] = p.tensor, name .. "." .. p.name
    end
  end
  add("trunk", trunk)
  add("again", again)
  for k, h in ipairs(heads) do add("head" .. k, h) end
  local idle = rl.ones({ 2 }, { dtype = "f64", requires_grad = true })
  params[#params + 1], names[#names + 1] = idle, "idle.weight"
  local x, target = rl.randn({ 6, 2, 5, 5 }, f64), rl.randn({ 6, 3 }, f64)
  local function forward()
    local z = again(rl.relu(again(trunk(x)))):mean { -2, -1 }
    local losses = {}
    for k, h in ipairs(heads) do losses[k] = rl.mse_loss(h(z), target:narrow(2, k, 1)) end
    return losses, { z = z }
  end
  return forward, params, names
end

local forward, params, names = net()

local function ctx_of(main)
  return gates.ctx(3, { params = names, main = main })
end

local function back(gate, main)
  local losses, y = forward()
  return walks.back(gate, losses, params, ctx_of(main), y)
end

local function full(gate, main)
  local losses = forward()
  return gate(rl.grads(losses, params), ctx_of(main))
end

describe("products taken on the way back", function()
  it("are those of whole gradients, and parameters of one loss keep theirs", function()
    local losses = forward()
    local want = rl.grads(losses, params, { retain = true })
    local gram, own = rl.grads_gram(losses, params, { retain = true })
    assert.is_close(rl.gram(want), gram, 1e-14)
    local _, kept = rl.grads_gram(losses, params, { keep = true })
    for k = 1, 3 do
      for i, name in ipairs(names) do
        local is_own, is_shared = name:find("head" .. k, 1, true), name:find "^trunk" or name:find "^again"
        assert.equal(is_own ~= nil, own[k][i] ~= false, name)
        assert.equal((is_own or is_shared) ~= nil, kept[k][i] ~= false, name)
        if own[k][i] then assert.is_close(want[k][i], own[k][i], 0) end
        if kept[k][i] then assert.is_close(want[k][i], kept[k][i], 0) end
      end
    end
  end)
  it("take parameters only, and tell which an output depends on", function()
    local losses, y = forward()
    assert.error_matches(function() rl.grads_gram(losses, { y.z }) end, "only parameters are taken")
    local below = rl.reaches(y.z, params)
    for i, name in ipairs(names) do
      assert.equal(name:find "^trunk" ~= nil or name:find "^again" ~= nil, below[i], name)
    end
  end)
  it("hold no more than the walk needs", function()
    local losses = forward()
    collectgarbage()
    rl.grads_gram(losses, params, { retain = true })
    collectgarbage()
    local before = rl.memory().live
    local gram, own = rl.grads_gram(losses, params, { retain = true })
    local bytes = 0
    for k = 1, 3 do
      for _, t in ipairs(own[k]) do bytes = bytes + (t and t:numel() * 8 or 0) end
    end
    collectgarbage()
    assert.equal(#params, #gram)
    assert.truthy(rl.memory().live - before <= 2 * bytes + 4096)
  end)
end)

describe("the ways back", function()
  local CASES = { { "pcgrad", { order = "given" } }, { "mgda" }, { "nash_mtl" }, { "none" }, { "gradnorm" },
    { "gradprom", { lambda = 0.3 }, 2 }, { "gradprom", { mode = "soft", phi = "gated", lambda = 0.3 }, 2 },
    { "gradprom", { phi = "fixed", scope = "layer" }, 1 }, { "upgrad", { scope = "tensor" } },
    { "imtl_g", { params = "again." } }, { "cagrad", { scope = { one = "trunk.", two = "again." } } } }
  for _, case in ipairs(CASES) do
    it("give one update and one record: " .. case[1], function()
      local want, told = full(gates.make(case[1], case[2]), case[3])
      for _, how in ipairs { {}, { gram = true } } do
        local got, record = back(walks.how(gates.make(case[1], case[2]), how), case[3])
        for i, w in ipairs(want) do assert.is_close(w, got[i], 1e-12, names[i]) end
        for key, v in pairs(told) do assert.is_close(v, record[key], 1e-5, key) end -- layers have six digits
      end
    end)
  end
  it("with weights from the losses' values alone", function()
    local want = full(gates.make("imtl_l", { layers = true }))
    local got = back(gates.make "imtl_l")
    for i, w in ipairs(want) do assert.is_close(w, got[i], 1e-12) end
  end)
  it("on an activation: weights from the gradients there, one walk below it, heads whole", function()
    local losses, y = forward()
    local at_z, all = rl.grads(losses, { y.z }, { retain = true }), rl.grads(losses, params)
    local w = gates.make "mgda".weigh(measure.take("z", at_z, gates.ctx(3)), gates.ctx(3))[1]
    local got, record = back(walks.how(gates.make "mgda", { at = "z" }))
    for i, name in ipairs(names) do
      local weights = (name:find "^trunk" or name:find "^again") and w or { 1, 1, 1 }
      local want = rl.combine({ { all[1][i] }, { all[2][i] }, { all[3][i] } }, weights)[1]
      assert.is_close(want, got[i], 1e-12, name)
    end
    assert.is_close(w[1], record.weight_a, 1e-12)
  end)
  it("on an activation, for a rule of single coordinates", function()
    local update = back(walks.how(gates.make "graddrop", { at = "z" }))
    for i, u in ipairs(update) do assert.same(params[i].shape, u.shape) end
  end)
  it("refuse what cannot be", function()
    for _, name in ipairs { "graddrop", "dwa" } do
      assert.error_matches(function() walks.how(gates.make(name), { gram = true }) end,
        "gram = true needs a rule")
    end
    assert.error_matches(function() walks.how(gates.make "dwa", { at = "z" }) end, "take `at` out")
  end)
end)

-- An enhancer and a recogniser that reads it, five losses, two of them behind the recogniser.
describe("memory", function()
  local function five()
    local enhancer = rl.models.SRResNet { width = 8 }
    local reader = rl.models.resnet18 { classes = 7, width = 8 }
    local list, paths = enhancer:parameters(), {}
    table.move(reader:parameters(), 1, #reader:parameters(), #list + 1, list)
    for i = 1, #list do paths[i] = "p" .. i end
    local x = rl.rand({ 2, 3, 32, 32 }):contiguous "channels_last"
    return list, paths, function()
      local y = enhancer(x)
      local z = reader(y)
      return { rl.mse_loss(y, x), rl.l1_loss(y, x), (y * y):mean(), (z * z):mean(), (z - 1):abs():mean() }
    end
  end
  local list, paths, forward_five = five()
  local function peak(step)
    step()
    for _ = 1, 2 do collectgarbage() end
    local before = core.memory().live
    core.reset_peak()
    step()
    return core.memory().peak - before
  end
  local function gated(how)
    local gate = walks.how(gates.make "upgrad", how)
    return peak(function() walks.back(gate, forward_five(), list, gates.ctx(5, { params = paths }), {}) end)
  end

  it("of a step that keeps no gradient per loss is at most 1.25 times that of a joint one", function()
    local joint = peak(function()
      local losses = forward_five()
      rl.grads({ losses[1] + losses[2] + losses[3] + losses[4] + losses[5] }, list)
    end)
    assert.is_true(gated { gram = true } <= 1.25 * joint)
    assert.is_true(gated {} > 1.5 * joint) -- so much is saved
  end)
end)

describe("the record", function()
  it("has every pair of losses in each layer, for any function, and counts conflicts", function()
    local ctx = ctx_of()
    local losses, y = forward()
    local all = rl.grads(losses, params, { retain = true })
    local function sum(grads) return rl.combine(grads, { 1, 1, 1 }), {} end
    local _, record = walks.back(sum, losses, params, ctx, y)
    local a, b = { all[1][1], all[1][2] }, { all[2][1], all[2][2] } -- trunk.0: weight and bias
    local cos = rl.list_dot(a, b) / (rl.list_norm(a) * rl.list_norm(b))
    assert.is_close(cos, record["layer.trunk.0.cos_a_b"], 1e-5)
    assert.is_close(rl.list_norm(a), record["layer.trunk.0.norm_a"], 1e-5)
    assert.is_nil(record["layer.head1.cos_a_b"])
    local c, below = ctx.state.conflicts["trunk.0"], 0
    for _, pair in ipairs { "a_b", "a_c", "b_c" } do
      below = below + (record["layer.trunk.0.cos_" .. pair] < 0 and 1 or 0)
    end
    assert.same({ 3, below }, { c[1], c[2] })
    assert.truthy(c[3] <= c[2])
  end)
end)
