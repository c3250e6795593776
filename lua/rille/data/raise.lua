-- What the engine refuses is told in its own words, at the line of whoever asked.
local raise = {}

---@param why any
---@return any the text without a place in our own files; what is no text as it is
function raise.text(why)
  return type(why) == "string" and why:gsub("^[^\n]-/lua/rille/[^\n:]*:%d+: ", "") or why
end

---Call f; what it raises is raised at a level above (1 is this function's own).
---@param level integer
---@param f function
---@return any ... what f returns
function raise.at(level, f, ...)
  local got = table.pack(pcall(f, ...))
  if got[1] then return table.unpack(got, 2, got.n) end
  error(raise.text(got[2]), level)
end

return raise
