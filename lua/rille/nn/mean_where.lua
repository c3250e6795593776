-- The mean of one number per row over the rows that count.

---@param l rille.Tensor N
---@param has? rille.Tensor N (bool) which rows count; nil: all
---@return rille.Tensor scalar 0 where none counts
return function(l, has)
  if not has then return l:mean() end
  local h = has:to(l.dtype)
  return (l * h):sum() / math.max(1, h:sum():item())
end
