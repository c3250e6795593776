-- Tensors: making them, looking at them, arithmetic with broadcasting. Positions count from 1, ranges
-- hold both ends.
local rl = require "rille"

local x = rl.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
print(x)
print("shape", table.concat(x.shape, " x "), "dtype", x.dtype, "elements", x:numel())

print("first row, last column, a block:")
print(x[1])
print(x[{ {}, -1 }])
print(x[{ { 1, 2 }, { 2, 3 } }])

x[{ 1, {} }] = 0 -- assignment through an index
print("after x[{ 1, {} }] = 0:", x:sum():item())

local column = rl.tensor { { 10 }, { 20 } }
print("a row and a column stretch to fit:")
print(x + column)

print("sums over a dim; negative dims count from the end, as in PyTorch:")
print(x:sum(-1))
print("the mean of all:", x:mean():item())

local ok, message = pcall(function() return x + rl.tensor { 1, 2 } end)
print("an error says what does not fit:", ok, message)
