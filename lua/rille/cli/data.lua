-- rille data phantom DIR: draw the chest phantom.
local command = { name = "data", usage = "phantom DIR [options]",
  words = { least = 2, most = 2, what = '"phantom" and a folder' },
  doc = "draw the chest phantom: simulated X-rays with classes, lung masks and gaze (not for clinical use)",
  options = { { name = "n", value = "N", kind = "integer", lo = 1,
    doc = "patients: 70 % train, 10 % val, 20 % test (default 300)" },
    { name = "size", value = "S", kind = "integer", lo = 16, doc = "pixels (default 128)" },
    { name = "seed", value = "N", kind = "integer", lo = 0, doc = "default 1" } } }

function command.run(o)
  if o[1] ~= "phantom" then error({ usage = ('data: there is "phantom", not "%s"'):format(o[1]) }, 0) end
  local set = require "rille".data.phantom(o[2], { n = o.n or 300, size = o.size or 128, seed = o.seed or 1 })
  print(tostring(set))
  return 0
end

return command
