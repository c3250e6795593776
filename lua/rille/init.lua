-- What `require "rille"` returns: ops, tensors, gradients, and the library's parts, loaded when first used.
local core = require "rille.core"

local rl = setmetatable({}, {
  __index = function(self, name) -- nn, optim, data, io ... : a folder of lua/rille each
    local parts = {
      nn = true, optim = true, data = true, io = true, gating = true, schedule = true, metrics = true,
      plot = true, models = true, cam = true,
    }
    if not parts[name] then return nil end
    local part = require("rille." .. name)
    rawset(self, name, part)
    return part
  end,
})

rl.custom = require "rille.custom"

---The table of a recipe by name or path, to build another on.
function rl.recipe(name) return require("rille.run.recipe").base(name) end
rl.one_of = require("rille.util.check").one_of
rl.profile = require "rille.profile"
require("rille.util.operators").install(core.Tensor) -- adds short names to core, too
core.Tensor.__tostring = function(x) return require("rille.repl.show").tensor(x) end
for name, value in pairs(core) do rl[name] = value end

return rl
