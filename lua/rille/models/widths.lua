-- Channel numbers of the Res-SE U-Net and its kin at a fraction of the published width.

local check = require "rille.util.check"

---@param who string
---@param width? number 1: as published, 0.25: a quarter
---@return integer[] widths of the levels /1, /2, /4, /8, /16
return function(who, width)
  check.number(who, "width", width, 1 / 64, 16)
  local list = {}
  for level = 1, 5 do list[level] = math.max(1, math.floor(64 * 2 ^ (level - 1) * width + 0.5)) end
  return list
end
