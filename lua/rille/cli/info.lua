-- rille info: what this program is and what machine it runs on.
local core = require "rille.core"
local machine = require "rille.run.machine"

local command = { name = "info", usage = "[--json]", words = { least = 0, most = 0, what = "nothing" },
  doc = "version, processor, kernels, threads, memory limit, linear algebra",
  options = { { name = "json", doc = "one JSON object" } } }

function command.run(o)
  local about = machine.describe()
  if o.json then
    about.ops = #core.ops
    print(require "rille.util.json".encode(about))
    return 0
  end
  print(("rille %s, %s, %d ops"):format(about.version, about.lua, #core.ops))
  print(("processor       %s"):format(about.cpu))
  print(("kernels         %s, 3x3 convolutions %s"):format(about.isa,
    about.winograd and "by Winograd where it is faster" or "by the direct method"))
  print(("threads         %d"):format(about.threads))
  print(("memory limit    %.1f GiB"):format(about.memory_limit / 2 ^ 30))
  if about.blas then
    print(("linear algebra  %s"):format(type(about.blas) == "table"
      and (about.blas.text or about.blas.core or "?") or tostring(about.blas)))
  end
  return 0
end

return command
