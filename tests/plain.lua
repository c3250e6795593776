-- The module under the stock interpreter: lua5.4 tests/plain.lua SOURCE BUILD
local source, build = arg[1], arg[2]
package.path = source .. "/lua/?.lua;" .. source .. "/lua/?/init.lua;" .. package.path
package.cpath = build .. "/lib/?.so;" .. package.cpath
local rl = require "rille"
local x = rl.tensor({ 1, 2, 3 }, { requires_grad = true })
local y = (x * x):sum()
y:backward()
assert(x.grad:tolist()[3] == 6)
assert(not pcall(function() return rl.tensor { 1 } + "a" end))
for name in pairs(_G) do assert(not name:find("rille") and name ~= "rl", "a global was left: " .. name) end
local most = 0
for _ = 1, 2000 do -- temporaries of 1 MB: the collector is told of them
  local _ = rl.zeros { 512, 512 }
  most = math.max(most, rl.memory().live)
end
assert(most < 150e6, ("2000 temporaries of 1 MB peaked at %.0f MB"):format(most / 1e6))
print("plain lua5.4: fine")
