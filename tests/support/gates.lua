-- What the specs of gates share: gradients from plain numbers, one shared parameter "net.w", and gates called
-- on them.
local rl = require "rille"

local gates = {}

gates.NAMES = { "a", "b", "c", "d", "e" }

---Rows of numbers as gradients of one shared parameter each.
---@param rows number[][]
function gates.grads(rows, dtype)
  local out = {}
  for k, row in ipairs(rows) do out[k] = { rl.tensor(row, { dtype = dtype or "f64" }) } end
  return out
end

---@param K integer
---@param more? table fields of ctx
function gates.ctx(K, more)
  local ctx = { losses = table.move(gates.NAMES, 1, K, 1, {}), step = 1, epoch = 1, lr = 1e-3, state = {},
    params = { "net.w" }, values = {} }
  for k = 1, K do ctx.values[k] = 0.5 + k / 3 end
  for key, v in pairs(more or {}) do ctx[key] = v end
  return ctx
end

---The update of a gate on rows, and its record.
function gates.run(gate, rows, more)
  local update, record = gate(gates.grads(rows), gates.ctx(#rows, more))
  return update[1]:tolist(), record
end

---A gate with what it needs beside its name, so that every rule can be run on K losses.
---@param name string
---@param options? table
function gates.make(name, options)
  local o = {}
  for key, v in pairs(options or {}) do o[key] = v end
  return rl.gating[name](o)
end

---Rules that take a main loss.
gates.NEED_MAIN = { gradprom = true, cosine = true, projection = true, ol_aux = true, pcd = true }

function gates.names()
  local out = {}
  for name in pairs(rl.gating) do out[#out + 1] = name end
  table.sort(out)
  return out
end

---Two halves of a batch whose gradients are near the rows.
function gates.halves(rows)
  local first, second = {}, {}
  for k, row in ipairs(rows) do
    first[k], second[k] = {}, {}
    for j, v in ipairs(row) do first[k][j], second[k][j] = 1.1 * v + 0.1 * j, 0.9 * v - 0.1 * j end
  end
  return function() return { gates.grads(first), gates.grads(second) } end
end

return gates
