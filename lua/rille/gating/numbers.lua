-- Numbers that rules learn or draw: kept by name in the gate's state, so that they are saved and can be set.

local numbers = {}

---Numbers of the state by name, made where they are missing.
---@param state table
---@param key string
---@param names string[]
---@param start number
---@return table<string, number>
function numbers.of(state, key, names, start)
  local t = state[key] or {}
  for _, name in ipairs(names) do t[name] = t[name] or start end
  state[key] = t
  return t
end

---One Adam step (betas 0.9, 0.999, eps 1e-8) of state[key] down the slopes d.
---@param state table holds state[key], and beside it adam = { t, m, v }
---@param key string
---@param d table<string, number> slopes by name
---@param lr number
---@param decay? number weight decay, added to the slope
function numbers.adam(state, key, d, lr, decay)
  local s, a = state[key], state.adam or { t = 0, m = {}, v = {} }
  state.adam, a.t = a, a.t + 1
  for name, slope in pairs(d) do
    slope = slope + (decay or 0) * s[name]
    a.m[name] = 0.9 * (a.m[name] or 0) + 0.1 * slope
    a.v[name] = 0.999 * (a.v[name] or 0) + 0.001 * slope * slope
    local root = (a.v[name] / (1 - 0.999 ^ a.t)) ^ 0.5 + 1e-8
    s[name] = s[name] - lr * a.m[name] / (1 - 0.9 ^ a.t) / root
  end
end

-- Uniform in (0, 1).
local function uniform(draw) return (draw(1 << 30) - 0.5) / (1 << 30) end

---A standard normal number (Box and Muller).
---@param draw fun(n: integer): integer
function numbers.normal(draw)
  local r = (-2 * math.log(uniform(draw))) ^ 0.5
  return r * math.cos(2 * math.pi * uniform(draw))
end

---A draw of the Dirichlet distribution with all parameters `alpha`: gammas by Marsaglia and Tsang (2000).
---@param draw fun(n: integer): integer
---@param n integer
---@param alpha number
---@return number[]
function numbers.dirichlet(draw, n, alpha)
  local out, sum = {}, 0
  for k = 1, n do
    local boost = alpha < 1 and uniform(draw) ^ (1 / alpha) or 1
    local d = (alpha < 1 and alpha + 1 or alpha) - 1 / 3
    repeat
      local x = numbers.normal(draw)
      local v = (1 + x / (9 * d) ^ 0.5) ^ 3
      local is_in = v > 0 and math.log(uniform(draw)) < x * x / 2 + d - d * v + d * math.log(v)
      if is_in then out[k] = d * v * boost end
    until is_in
    sum = sum + out[k]
  end
  for k = 1, n do out[k] = out[k] / sum end
  return out
end

---A preference per loss: { ce = 0.7 } over `otherwise`, in the order of names.
function numbers.preference(given, names, otherwise)
  local out = {}
  for k, name in ipairs(names) do out[k] = type(given) == "table" and given[name] or otherwise end
  return out
end

return numbers
