-- Options that several commands share.
local common = {}

common.PRESET = { name = "preset", value = "NAME",
  doc = "desk (default), paper, tiny: sizes and lengths of the recipe" }
common.DATA = { name = "data", value = "DIR", doc = "folder with manifest.csv; by default the chest phantom" }
common.SEED = { name = "seed", value = "N", kind = "integer", lo = 0,
  doc = "of weights, order and augmentation (default 1)" }
common.SET = { name = "set", value = "PATH=VALUE", many = true,
  doc = "an option or a stage's field; may be repeated" }
common.THREADS = { name = "threads", value = "N", kind = "integer", lo = 1,
  doc = "by default as many as the machine grants" }
common.QUIET = { name = "quiet", doc = "no progress" }

---Set the number of threads if it was given.
---@param o table
function common.threads(o)
  if o.threads then require "rille.core".threads(o.threads) end
end

return common
