-- rl.profile(f, ...): where the time of a call goes, by op and by layer, forward and backward apart.
local core = require "rille.core"

---@class rille.Profile
---@field rows table[] { op, path, back, calls, s, bytes, flops }
---@field s number seconds of the whole call; what the rows leave of it is Lua, data and whatever is no op
local Profile = {}
Profile.__index = Profile

local KEYS = {
  op = function(r) return r.op .. (r.back and ", backward" or "") end,
  layer = function(r) return (r.path == "" and "(no layer)" or r.path) .. (r.back and ", backward" or "") end,
  both = function(r)
    return ("%s  %s%s"):format(r.path == "" and "(no layer)" or r.path, r.op, r.back and ", backward" or "")
  end,
}

---Rows added up, the slowest first.
---@param by? "op"|"layer"|"both" default "op"
---@return { name: string, calls: integer, s: number, bytes: number, flops: number }[]
function Profile:by(by)
  local key, sums, list = KEYS[by or "op"], {}, {}
  if not key then error(('profile: by is "op", "layer" or "both", not "%s"'):format(tostring(by)), 2) end
  for _, r in ipairs(self.rows) do
    local name = key(r)
    local sum = sums[name]
    if not sum then
      sum = { name = name, calls = 0, s = 0, bytes = 0, flops = 0 }
      sums[name], list[#list + 1] = sum, sum
    end
    for _, field in ipairs { "calls", "s", "bytes", "flops" } do sum[field] = sum[field] + r[field] end
  end
  table.sort(list, function(a, b)
    if a.s ~= b.s then return a.s > b.s end
    return a.name < b.name
  end)
  return list
end

local function rate(amount, s) return amount > 0 and s > 0 and ("%.1f"):format(amount / s * 1e-9) or "-" end

local LINE = "%10.3f %6.1f %9d %10.2f %9s %9s  %s"

---The table as text.
---@param by? "op"|"layer"|"both" default "op"
---@param most? integer rows shown, default 30
---@return string
function Profile:text(by, most)
  local list, lines, inside = self:by(by), {}, 0
  lines[1] = ("%10s %6s %9s %10s %9s %9s  %s"):format("ms", "%", "calls", "MiB", "GB/s", "GF/s", by or "op")
  for k, r in ipairs(list) do
    inside = inside + r.s
    if k <= (most or 30) then
      lines[#lines + 1] = LINE:format(r.s * 1e3, 100 * r.s / self.s, r.calls, r.bytes / 2 ^ 20,
        rate(r.bytes, r.s), rate(r.flops, r.s), r.name)
    end
  end
  if #list > (most or 30) then lines[#lines + 1] = ("%10s %d more"):format("...", #list - (most or 30)) end
  local rest = self.s - inside
  lines[#lines + 1] = ("%10.3f %6.1f %41s %s"):format(rest * 1e3, 100 * rest / self.s, "", "outside of ops")
  lines[#lines + 1] = ("%10.3f  whole"):format(self.s * 1e3)
  return table.concat(lines, "\n")
end

function Profile:__tostring() return self:text() end

---Run f(...) and count what every op did: print(rl.profile(f)) shows a table by op, print(p:text "layer") by
---layer, p:text "both" by both; p.rows are the numbers.
---
---Columns: time of the op itself (without ops that it runs inside), its part of the whole, calls, bytes of
---         inputs and outputs, and their rates; GF/s only for ops whose floating operations are known
---         (products and convolutions, counted as direct ones).
---Cost:    two looks at the clock per op while f runs; nothing otherwise.
---Raises:  what f raises.
---@param f fun(...): any
---@return rille.Profile profile, any ... and what f returned
return function(f, ...)
  core.profile_start()
  local began = core.clock()
  local result = table.pack(pcall(f, ...))
  local s = core.clock() - began
  local rows = core.profile_stop()
  if not result[1] then error(result[2], 0) end
  return setmetatable({ rows = rows, s = s }, Profile), table.unpack(result, 2, result.n)
end
