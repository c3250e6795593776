-- SplitMix64's last step (Steele, Lea and Flood, OOPSLA 2014): near integers become integers far apart.

---@param z integer
---@return integer
return function(z)
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  return z ~ (z >> 31)
end
