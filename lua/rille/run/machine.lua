-- What a run notes of the machine, and what `rille info` tells.
local core = require "rille.core"

local machine = {}

machine.VERSION = "0.1.0"

---@return table about version, lua, cpu, isa, threads, winograd's switch, memory limit in bytes, and
---  blas where there is one
function machine.describe()
  local blas
  if core.blas then
    local ok, text = pcall(core.blas)
    blas = ok and text or nil
  end
  return { version = machine.VERSION, lua = _VERSION, cpu = core.cpu_name() or "unknown", isa = core.isa(),
    threads = core.threads(), winograd = core.winograd(),
    memory_limit = core.memory().limit, blas = blas }
end

return machine
