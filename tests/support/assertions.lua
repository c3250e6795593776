-- is_close and error_matches for specs; loaded once by tests/run.lua.
local assert = require "luassert"
local say = require "say"
local rl = require "rille"

local function flatten(v, out)
  if rl.is_tensor(v) then v = v:tolist() end
  if type(v) == "table" then
    for _, e in ipairs(v) do flatten(e, out) end
  else
    out[#out + 1] = v == true and 1 or v == false and 0 or v
  end
  return out
end

-- is_close(want, got, tolerance): every |want - got| <= tolerance * max(1, |want|); NaN equals NaN.
local function is_close(state, arguments)
  local want, got, tolerance = flatten(arguments[1], {}), flatten(arguments[2], {}), arguments[3] or 1e-6
  local worst, at = -1, 1
  if #want ~= #got then
    state.failure_message = ("sizes differ: %d wanted, %d found"):format(#want, #got)
    return false
  end
  for i = 1, #want do
    local d = math.abs(want[i] - got[i]) / math.max(1, math.abs(want[i]))
    if want[i] ~= want[i] and got[i] ~= got[i] or want[i] == got[i] then d = 0 end
    if d ~= d then d = math.huge end
    if d > worst then worst, at = d, i end
  end
  if worst > tolerance then
    local shape = rl.is_tensor(arguments[2]) and table.concat(arguments[2].shape, "x") or tostring(#got)
    local text = "%s: element %d is %.17g, wanted %.17g: off by %.3g, allowed %.3g"
    state.failure_message = text:format(shape, at, got[at], want[at], worst, tolerance)
    return false
  end
  return true
end

say:set("assertion.is_close.positive", "values are not close")
assert:register("assertion", "is_close", is_close, "assertion.is_close.positive")

-- error_matches(f, text): f raises, and the message holds `text` as it stands.
local function error_matches(state, arguments)
  local ok, message = pcall(arguments[1])
  message = tostring(message)
  if ok then state.failure_message = "no error was raised" return false end
  if message:find(arguments[2], 1, true) then return true end
  state.failure_message = ("the error is\n  %s\nand does not hold\n  %s"):format(message, arguments[2])
  return false
end

assert:register("assertion", "error_matches", error_matches, "assertion.is_close.positive")
