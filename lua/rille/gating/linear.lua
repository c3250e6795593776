-- Small linear algebra in f64 for the Gram matrices of K losses: products, equations, symmetric eigenvectors.

local linear = {}

---@return number[] v n copies of x
function linear.full(n, x)
  local v = {}
  for k = 1, n do v[k] = x end
  return v
end

function linear.dot(a, b)
  local sum = 0
  for k = 1, #a do sum = sum + a[k] * b[k] end
  return sum
end

function linear.times(M, v)
  local out = {}
  for k, row in ipairs(M) do out[k] = linear.dot(row, v) end
  return out
end

function linear.trace(M)
  local sum = 0
  for k = 1, #M do sum = sum + M[k][k] end
  return sum
end

---v / sum of v.
function linear.share(v)
  local sum, out = 0, {}
  for k = 1, #v do sum = sum + v[k] end
  for k = 1, #v do out[k] = v[k] / sum end
  return out
end

function linear.softmax(v)
  local top, out = math.max(table.unpack(v)), {}
  for k = 1, #v do out[k] = math.exp(v[k] - top) end
  return linear.share(out)
end

---The unit gradients' Gram matrix, and the gradients' norms (1 for a gradient of zeros).
---@return number[][] C, number[] norms
function linear.unit(M)
  local norms, C = {}, {}
  for k = 1, #M do norms[k] = M[k][k] > 0 and M[k][k] ^ 0.5 or 1 end
  for k = 1, #M do
    C[k] = {}
    for l = 1, #M do C[k][l] = M[k][l] / norms[k] / norms[l] end
  end
  return C, norms
end

local function pivot(A, b, c)
  local best = c
  for r = c + 1, #A do
    if math.abs(A[r][c]) > math.abs(A[best][c]) then best = r end
  end
  A[c], A[best], b[c], b[best] = A[best], A[c], b[best], b[c]
end

---Solve A x = b by elimination with partial pivoting; both are used up.
---@return number[] x
function linear.solve(A, b)
  local n, x = #A, {}
  for c = 1, n do
    pivot(A, b, c)
    for r = c + 1, n do
      local f = A[r][c] / A[c][c]
      for j = c, n do A[r][j] = A[r][j] - f * A[c][j] end
      b[r] = b[r] - f * b[c]
    end
  end
  for r = n, 1, -1 do
    local sum = b[r]
    for j = r + 1, n do sum = sum - A[r][j] * x[j] end
    x[r] = sum / A[r][r]
  end
  return x
end

-- One Jacobi rotation that takes A[p][q] to 0; V gathers them in its columns.
local function rotate(A, V, p, q)
  local theta = (A[q][q] - A[p][p]) / (2 * A[p][q])
  local t = (theta < 0 and -1 or 1) / (math.abs(theta) + (theta * theta + 1) ^ 0.5)
  local c = 1 / (t * t + 1) ^ 0.5
  local s = t * c
  for k = 1, #A do
    A[k][p], A[k][q] = c * A[k][p] - s * A[k][q], s * A[k][p] + c * A[k][q]
  end
  for k = 1, #A do
    A[p][k], A[q][k] = c * A[p][k] - s * A[q][k], s * A[p][k] + c * A[q][k]
    V[k][p], V[k][q] = c * V[k][p] - s * V[k][q], s * V[k][p] + c * V[k][q]
  end
end

---Eigenvalues and eigenvectors of a symmetric matrix (Jacobi's method).
---@return number[] values, number[][] V its columns are the vectors
function linear.eigen(M)
  local n, A, V, values = #M, {}, {}, {}
  for k = 1, n do A[k], V[k] = { table.unpack(M[k]) }, linear.full(n, 0) end
  for k = 1, n do V[k][k] = 1 end
  for _ = 1, 60 do
    local off = 0
    for p = 1, n - 1 do
      for q = p + 1, n do
        if math.abs(A[p][q]) > 1e-300 then
          off = math.max(off, math.abs(A[p][q]) / (math.abs(A[p][p]) + math.abs(A[q][q]) + 1e-300))
          rotate(A, V, p, q)
        end
      end
    end
    if off < 1e-16 then break end
  end
  for k = 1, n do values[k] = A[k][k] end
  return values, V
end

---f(M) v for a symmetric M: its eigenvalues above `tolerance` times the largest go through f, others to 0.
function linear.through(M, v, f, tolerance)
  local values, V = linear.eigen(M)
  local top, out = math.max(table.unpack(values)), linear.full(#M, 0)
  for j, value in ipairs(values) do
    if value > (tolerance or 1e-12) * top then
      local along = 0
      for k = 1, #M do along = along + V[k][j] * v[k] end
      for k = 1, #M do out[k] = out[k] + f(value) * along * V[k][j] end
    end
  end
  return out
end

---The pseudo-inverse of M times v.
function linear.pinv(M, v) return linear.through(M, v, function(value) return 1 / value end) end

---The nearest point of the simplex (Held, Wolfe, Crowder 1974).
function linear.to_simplex(v)
  local sorted, sum, shift = { table.unpack(v) }, 0, 0
  table.sort(sorted, function(a, b) return a > b end)
  for k, x in ipairs(sorted) do
    sum = sum + x
    if x - (sum - 1) / k > 0 then shift = (sum - 1) / k end
  end
  local out = {}
  for k, x in ipairs(v) do out[k] = math.max(0, x - shift) end
  return out
end

return linear
