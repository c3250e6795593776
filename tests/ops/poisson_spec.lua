-- Quantiles and shares: scipy 1.x's stats.poisson, of the uniform numbers that this seed gives.
local rl = require "rille"

local function share_at_most(counts, k) return counts:le(k):double():mean():item() end

describe("poisson", function()
  it("is the quantile of one uniform number, where rates are small", function()
    local rates = rl.tensor({ 0.1, 0.5, 1, 2.5, 7, 20, 45, 60 }, { dtype = "f64" })
    rl.manual_seed(11)
    assert.same({ 0, 0, 1, 1, 8, 25, 49, 72 }, rl.poisson(rates):tolist())
  end)
  it("has the distribution's shares, where rates are large", function()
    local n = 40000
    for rate, want in pairs {
      [61] = { { 51, 0.10968948649956393 }, { 61, 0.5339816572140093 }, { 71, 0.9081008470152735 } },
      [150] = { { 134, 0.10124397458682574 }, { 150, 0.5216971797074769 }, { 166, 0.9093833775051404 } },
      [1e4] = { { 9872, 0.10096828215561203 }, { 1e4, 0.5026595812190077 }, { 10128, 0.9004160275736969 } },
    } do
      rl.manual_seed(3)
      local counts = rl.poisson(rl.full({ n }, rate, { dtype = "f64" }))
      for _, w in ipairs(want) do
        local deviation = math.sqrt(w[2] * (1 - w[2]) / n)
        assert.is_true(math.abs(share_at_most(counts, w[1]) - w[2]) < 4 * deviation)
      end
    end
  end)
  it("draws by place: the same counts whatever the layout, others the next time", function()
    local x = rl.rand { 2, 3, 4, 5 } * 50 + 40
    rl.manual_seed(4)
    local a = rl.poisson(x)
    local other = rl.poisson(x)
    rl.manual_seed(4)
    assert.is_close(a, rl.poisson(x:contiguous { format = "channels_last" }), 0)
    assert.is_true((a - other):abs():sum():item() > 0)
  end)
  it("of rate 0 is 0, of nothing nothing; negative and undefined rates are refused", function()
    assert.same({ 0, 0 }, rl.poisson(rl.zeros { 2 }):tolist())
    assert.same({ 0 }, rl.poisson(rl.zeros { 0 }).shape)
    assert.error_matches(function() rl.poisson(rl.tensor { 1, -0.5 }) end,
      "poisson: element 2 is -0.5; rates lie between 0 and 1e+15, clamp them first")
    assert.error_matches(function() rl.poisson(rl.tensor { 0 / 0 }) end, "poisson: element 1 is")
  end)
end)
