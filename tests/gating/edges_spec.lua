-- Every rule on gradients that are zero, parallel, opposite or not finite, and with one loss.
local gates = require "support.gates"
local rl = require "rille"

local BY_VALUE = { equal = true, uncertainty = true, dwa = true, gls = true, rlw = true, imtl_l = true,
  scale_invariant = true, famo = true, stch = true, cosmos = true, pbi = true, gradnorm = true }
local THREE = { krum = true, trimmed_mean = true }

local function run(name, rows, more)
  local ctx = { main = gates.NEED_MAIN[name] and 1 or nil, halves = gates.halves(rows) }
  for key, v in pairs(more or {}) do ctx[key] = v end
  return gates.run(gates.make(name), rows, ctx)
end

local function is_finite(u)
  for _, v in ipairs(u) do
    if v - v ~= 0 then return false end
  end
  return true
end

describe("a single gradient", function()
  for _, name in ipairs(gates.names()) do
    if not BY_VALUE[name] then
      it("is the update where the other is zero, or there is no other: " .. name, function()
        assert.is_close({ 3, 4 }, run(name, { { 3, 4 } }), 1e-12)
        local u = run(name, { { 3, 4 }, { 0, 0 } })
        assert.is_close({ 3, 4 }, u, 1e-12)
      end)
    end
  end
  it("alone is scaled by rules that weigh values", function()
    assert.is_close({ 1.5, 2 }, run("uncertainty", { { 3, 4 } }), 1e-12)
    assert.is_close({ 3, 4 }, run("gls", { { 3, 4 } }), 1e-12)
    assert.is_close({ 6, 8 }, run("scale_invariant", { { 3, 4 } }, { values = { 0.5 } }), 1e-12)
  end)
  it("of zeros everywhere gives zeros", function()
    for _, name in ipairs(gates.names()) do
      assert.is_close({ 0, 0 }, run(name, { { 0, 0 }, { 0, 0 }, { 0, 0 } }), 0)
    end
  end)
end)

describe("parallel gradients", function()
  local WANT = { none = { 9, 12 }, gradprom = { 9, 12 }, cosine = { 9, 12 }, projection = { 9, 12 },
    mgda = { 3, 4 }, pcgrad = { 9, 12 }, imtl_g = { 5, 20 / 3 }, dualproj = { 4.5, 6 }, upgrad = { 4.5, 6 },
    config = { 9, 12 }, pcd = { 3, 4 }, nash_mtl = { 0.6, 0.8 } }
  for name, want in pairs(WANT) do
    it("give what the definition says: " .. name, function()
      assert.is_close(want, run(name, { { 3, 4 }, { 6, 8 } }), 1e-6)
    end)
  end
end)

describe("opposite gradients", function()
  local WANT = { none = { -3, -4 }, gradprom = { 3, 4 }, cosine = { 3, 4 }, projection = { 3, 4 },
    mgda = { 0, 0 }, pcgrad = { 0, 0 }, imtl_g = { -15, -20 }, cagrad = { -0.75, -1 },
    dualproj = { 0, 0 }, upgrad = { 0, 0 },
    config = { 0, 0 }, pcd = { -3, -4 } }
  for name, want in pairs(WANT) do
    it("give what the definition says: " .. name, function()
      assert.is_close(want, run(name, { { 3, 4 }, { -6, -8 } }), 1e-5)
    end)
  end
  it("leave every rule finite, also with a third, and a tiny or a huge one", function()
    for _, name in ipairs(gates.names()) do
      if not THREE[name] then assert.truthy(is_finite(run(name, { { 3, 4 }, { -6, -8 } })), name) end
      for _, rows in ipairs { { { 3, 4 }, { -6, -8 }, { 3, 4 } }, { { 3, 4 }, { -6, -8 }, { 4, -3 } },
        { { 1e-18, 2e-18 }, { -3, 1 }, { 1e12, -1e12 } } } do
        assert.truthy(is_finite(run(name, rows)), name)
      end
    end
  end)
end)

describe("a gradient that is not finite", function()
  it("raises, with the rule, the loss and the parameter", function()
    for _, name in ipairs(gates.names()) do
      for _, bad in ipairs { 1 / 0, 0 / 0 } do
        assert.error_matches(function() run(name, { { 1, 2 }, { bad, 1 }, { 1, 1 } }) end,
          ': the gradient of loss "b" is not finite in net.w')
      end
    end
  end)
end)

describe("refusals", function()
  it("say what is missing", function()
    for name in pairs(gates.NEED_MAIN) do
      assert.error_matches(function() gates.run(gates.make(name), { { 1 }, { 2 } }) end,
        ('gating.%s: needs a main loss; write { "%s", main = "a" }'):format(name, name))
    end
    assert.error_matches(function() run("krum", { { 1 }, { 2 } }) end, "krum: 2 losses with a gradient")
    assert.error_matches(function() run("trimmed_mean", { { 1 }, { 2 } }) end, "trim = 1 needs more than 2")
    assert.error_matches(function() run("gls", { { 1 }, { 2 } }, { values = { 1, -2 } }) end,
      'loss "b" is -2')
    assert.error_matches(function() run("famo", { { 1 }, { 2 } }, { values = { 1, -2 } }) end,
      "give bound = { b = ... }")
    assert.error_matches(function() rl.gating.gls()(gates.grads { { 1 } }, { losses = { "a" } }) end,
      "give ctx.values")
    assert.error_matches(function() gates.run(gates.make "modo", { { 1 }, { 2 } }) end, "give ctx.halves()")
  end)
  it("name the nearest option, and ranges", function()
    assert.error_matches(function() gates.make("cagrad", { C = 1 }) end,
      'gating.cagrad: unknown option "C"; did you mean "c"?')
    assert.error_matches(function() gates.make("cagrad", { c = -1 }) end, "gating.cagrad: c = -1")
    assert.error_matches(function() gates.make("pcgrad", { order = "up" }) end, "it is one of: random, given")
    assert.error_matches(function() gates.make("mgda", { scope = "net" }) end, "or a table of groups")
    assert.error_matches(function() gates.make("cr_mogm", { rule = "gradprom" }) end,
      '"gradprom" is no rule with weights to smooth')
    local elsewhere = gates.make("mgda", { params = "dec." })
    assert.error_matches(function() gates.run(elsewhere, { { 1 }, { 2 } }) end,
      'no parameter\'s path begins with "dec."')
  end)
end)
