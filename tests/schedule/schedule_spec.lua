local rl = require "rille"
local schedule = rl.schedule

local function at(f, steps)
  local out = {}
  for i, step in ipairs(steps) do out[i] = f(step, {}) end
  return out
end

describe("schedule", function()
  it("is constant, or falls by steps and milestones", function()
    assert.same({ 0.5, 0.5 }, at(schedule.constant(0.5), { 1, 100 }))
    assert.is_close({ 1, 1, 0.1, 0.1, 0.01 }, at(schedule.step(1, 2), { 1, 2, 3, 4, 5 }), 1e-15)
    assert.is_close({ 1, 0.5, 0.5, 0.25 }, at(schedule.multistep(1, { 1, 3 }, 0.5), { 1, 2, 3, 4 }), 1e-15)
  end)
  it("falls by shares of a stage's length, in steps or epochs", function()
    local shares = { 2 / 3, 5 / 6 }
    assert.is_close({ 1, 1, 0.1, 0.1, 0.01, 0.01 },
      at(schedule.shares(1, { steps = 12 }, shares), { 1, 8, 9, 10, 11, 12 }), 1e-15)
    local f = schedule.shares(1, { epochs = 3 }, shares, 0.5)
    assert.equal(0.5, f(9, { steps_per_epoch = 4 }))
    assert.error_matches(function() schedule.shares(1, {}, shares) end, "ends says steps or epochs")
  end)
  it("follows the cosine of PyTorch: base at t = 0, lowest at T and after", function()
    local f = schedule.cosine(0.8, 4, { lowest = 0.2 })
    assert.is_close({ 0.8, 0.2 + 0.3 * (1 + 2 ^ -0.5), 0.5, 0.2 + 0.3 * (1 - 2 ^ -0.5), 0.2, 0.2 },
      at(f, { 1, 2, 3, 4, 5, 9 }), 1e-15)
  end)
  it("warms up in equal parts, then follows the cosine down to a thousandth", function()
    local f = schedule.warmup_cosine(2, 4, 8)
    assert.is_close({ 0, 0.5, 1.5, 2, 2 * (0.5 + 0.001 * 0.5), 2 * 0.001 }, at(f, { 1, 2, 4, 5, 7, 9 }),
      1e-15)
  end)
  it("keeps the whole length as the cosine's period where asked, as MLVICX's code does", function()
    local f = schedule.warmup_cosine(0.2, 4, 20, { period = 20 })
    assert.is_close({ 0, 0.05, 0.15, 0.2, 0.198770065225454, 0.130970797738057, 0.0294600325594639 },
      at(f, { 1, 2, 4, 5, 6, 13, 20 }), 1e-13)
  end)
  it("restarts as PyTorch's CosineAnnealingWarmRestarts", function()
    local f = schedule.warm_restarts(3e-3, 4, { lowest = 1e-6 })
    assert.is_close({ 0.003, 0.00256080661838923, 0.0015005, 0.000440193381610772, 0.003, 0.00288585735900067,
      0.000115142641000996, 0.003, 0.00297118752796464 }, at(f, { 1, 2, 3, 4, 5, 6, 12, 13, 14 }), 1e-14)
  end)
  it("ramps from one value to another", function()
    assert.is_close({ 0.25, 0.5, 1, 1 }, at(schedule.ramp(1, 4), { 1, 2, 4, 9 }), 1e-15)
    assert.is_close({ 2, 1, 1 }, at(schedule.ramp(1, 2, { from = 3 }), { 1, 2, 3 }), 1e-15)
  end)
  it("falls on a plateau once per patience, however often it is asked", function()
    local f, state, seen = schedule.plateau(1, { patience = 2, factor = 0.5 }), {}, {}
    local best = { 5, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3 } -- of each epoch so far
    for epoch, b in ipairs(best) do
      state.epoch, state.best = epoch, b
      seen[epoch] = f(1, state)
      assert.equal(seen[epoch], f(2, state))
    end
    assert.same({ 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25 }, seen)
    assert.equal(2, state.schedules.plateau.falls)
  end)
  it("does not count an improvement below the threshold, nor epochs of the cooldown", function()
    local f = schedule.plateau(1, { patience = 0, factor = 0.1, cooldown = 2, lowest = 0.01 })
    local state, seen = {}, {}
    for epoch, b in ipairs { 1, 0.99995, 0.99995, 0.99995, 0.99995, 0.99995, 0.99995, 0.99995 } do
      state.epoch, state.best = epoch, b
      seen[epoch] = f(1, state)
    end
    assert.is_close({ 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01 }, seen, 1e-15)
  end)
  it("refuses what cannot be", function()
    assert.error_matches(function() schedule.cosine(1, 0) end, "schedule.cosine: steps = 0")
    assert.error_matches(function() schedule.plateau(1, { patince = 3 }) end, 'did you mean "patience"?')
    assert.error_matches(function() schedule.constant("x") end, "schedule.constant: v is a number, not x")
  end)
end)
