-- The small problems behind the rules, against conditions of optimality and closed forms.
local linear = require "rille.gating.linear"
local random = require "rille.util.random"
local solvers = require "rille.gating.solvers"

local function draws(seed)
  local draw = random(seed)
  return function() return draw(1 << 30) / (1 << 29) - 1 end
end

-- Gram matrix of K random vectors of n numbers, of sizes over six decades.
local function gram(K, n, u)
  local G, M = {}, {}
  for k = 1, K do
    G[k] = {}
    local size = 10 ^ (3 * u())
    for j = 1, n do G[k][j] = size * u() end
  end
  for k = 1, K do
    M[k] = {}
    for l = 1, K do M[k][l] = linear.dot(G[k], G[l]) end
  end
  return M
end

-- Largest violation of the conditions of the simplex's minimum, in units of the matrix's.
local function simplex_error(M, w)
  local slope, sum = linear.times(M, w), 0
  local level, worst = linear.dot(slope, w), 0
  for k = 1, #w do
    sum = sum + w[k]
    local size = M[k][k] ^ 0.5 * level ^ 0.5 + level
    worst = math.max(worst, -w[k], (level - slope[k]) / size)
    if w[k] > 0 then worst = math.max(worst, math.abs(slope[k] - level) / size) end
  end
  return math.max(worst, math.abs(sum - 1))
end

describe("quadratic programs", function()
  it("meet the conditions of optimality on the simplex, for up to eight losses", function()
    local u = draws(3)
    for K = 2, 8 do
      for _ = 1, 12 do
        local M = gram(K, K + 2, u)
        assert.is_close(0, simplex_error(M, solvers.quadratic(M, nil, true)), 1e-8)
      end
    end
  end)
  it("have Sener and Koltun's closed form for two losses", function()
    for _, M in ipairs { { { 4, 1 }, { 1, 9 } }, { { 4, 5 }, { 5, 9 } }, { { 1, -1 }, { -1, 4 } } } do
      local a = (M[2][2] - M[1][2]) / (M[1][1] + M[2][2] - 2 * M[1][2])
      a = math.max(0, math.min(1, a))
      assert.is_close({ a, 1 - a }, solvers.quadratic(M, nil, true), 1e-9)
    end
  end)
  it("meet them for x >= 0, with a linear part", function()
    local u = draws(4)
    for K = 2, 8 do
      for _ = 1, 12 do
        local M, c = gram(K, K + 2, u), {}
        for k = 1, K do c[k] = u() * M[k][k] ^ 0.5 end
        local x = solvers.quadratic(M, c)
        for k, s in ipairs(linear.times(M, x)) do
          local slope = (s + c[k]) / M[k][k] ^ 0.5
          assert.truthy(x[k] >= 0 and slope > -1e-9)
          if x[k] > 0 then assert.is_close(0, slope, 1e-9) end
        end
      end
    end
  end)
  it("answer where gradients are parallel, opposite or equal", function()
    assert.is_close({ 1, 0 }, solvers.quadratic({ { 1, 2 }, { 2, 4 } }, nil, true), 1e-9)
    assert.is_close({ 2 / 3, 1 / 3 }, solvers.quadratic({ { 1, -2 }, { -2, 4 } }, nil, true), 1e-9)
    local w = solvers.quadratic({ { 1, 1 }, { 1, 1 } }, nil, true)
    assert.is_close(1, w[1] + w[2], 1e-12)
  end)
end)

describe("the balance of fairness", function()
  it("has M a = a^(-p)", function()
    local u = draws(5)
    for K = 2, 6 do
      for _, p in ipairs { 0.5, 1, 2 } do
        local M = gram(K, K + 3, u)
        local a = solvers.fair(M, p)
        for k, v in ipairs(linear.times(M, a)) do assert.is_close(1, v * a[k] ^ p, 1e-9) end
      end
    end
  end)
end)

describe("linear algebra", function()
  it("finds eigenvectors: V diag V' is the matrix, V' V the identity", function()
    local u = draws(6)
    for K = 2, 7 do
      local M = gram(K, K + 1, u)
      local values, V = linear.eigen(M)
      for k = 1, K do
        for l = 1, K do
          local back, unit = 0, 0
          for j = 1, K do back, unit = back + V[k][j] * values[j] * V[l][j], unit + V[j][k] * V[j][l] end
          assert.is_close(0, (back - M[k][l]) / linear.trace(M), 1e-13)
          assert.is_close(k == l and 1 or 0, unit, 1e-13)
        end
      end
    end
  end)
  it("takes the pseudo-inverse where there is no inverse", function()
    assert.is_close({ 0.25, 0.25 }, linear.pinv({ { 1, 1 }, { 1, 1 } }, { 0.5, 0.5 }), 1e-12)
  end)
  it("finds the nearest point of the simplex", function()
    assert.is_close({ 0, 1, 0 }, linear.to_simplex { -1, 3, 0.5 }, 1e-15)
    assert.is_close({ 0.35, 0.15, 0.5 }, linear.to_simplex { 0.4, 0.2, 0.55 }, 1e-15)
  end)
end)
