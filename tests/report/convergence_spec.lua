local convergence = require "rille.report.convergence"

local function stage(values)
  local epochs = {}
  for k, v in ipairs(values) do epochs[k] = { epoch = k, step = 10 * k, val = { dice = v or nil } } end
  return { name = "draw", epochs = epochs }
end

describe("convergence", function()
  it("is the first epoch at 99 % of the last value", function()
    assert.same({ 3, 30 }, { convergence.reached(stage { 0.1, 0.79, 0.792, 0.7, 0.8 }, "dice") })
    assert.same({ 1, 10 }, { convergence.reached(stage { 0.9, 0.8 }, "dice") })
    assert.same({ 2, 20 }, { convergence.reached(stage { 0.1, 0.5, 0.8 }, "dice", 0.5) })
  end)
  it("is not there where nothing was watched, and skips epochs without a value", function()
    assert.is_nil(convergence.reached(stage { false, false }, "dice"))
    assert.is_nil(convergence.reached(stage { 0.5 }, "cc"))
    assert.equal(2, (convergence.reached(stage { false, 0.8, 0.8, false }, "dice")))
  end)
  it("tells a line for each stage that drew", function()
    local text = convergence.lines { log = { stages = { stage { 0.5, 0.5 }, stage { false } } } }
    assert.equal('<p class="note">draw: validation Dice first reached 99 % of its last value in epoch 1, '
      .. "step 10.</p>", text)
  end)
end)
