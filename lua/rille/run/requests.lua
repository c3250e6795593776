-- Ctrl-C and SIGTERM while something long goes over the images of a split: it is left between two batches.
local core = require "rille.core"

local requests = {}

---What is raised then.
requests.ASKED = setmetatable({}, { __tostring = function() return "interrupted" end })

---Raises requests.ASKED when a signal has come that nothing has answered yet.
function requests.check()
  local asked, ended = core.signals()
  if asked + ended > 0 then error(requests.ASKED, 0) end
end

---Run f(...) until it comes to its end; each time it is left, answer() is called: it raises, or f begins
---again.
---@param answer fun()
---@param f function
---@return any ... what f gives
function requests.insist(answer, f, ...)
  while true do
    local out = table.pack(pcall(f, ...))
    if out[1] then return table.unpack(out, 2, out.n) end
    if out[2] ~= requests.ASKED then error(out[2], 0) end
    answer()
  end
end

return requests
