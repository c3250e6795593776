-- Fusion classifier (arXiv:2403.16970): the diagnosis from pooled features of both networks.

local core = require "rille.core"
local check = require "rille.util.check"
local fused = require "rille.nn.fused"
local nn = require "rille.nn"
local widths = require "rille.models.widths"

---classifier(z), z = classifier:pool(F5, d1): means of both maps, concatenated -> Linear 64 -> ReLU ->
---Dropout -> Linear classes. With width = false it reads F5 alone: classifier:pool(F5).
---Shape: N x features x h x w, N x 64 width x H x W -> z N x (features + 64 width) -> N x classes.
---@class rille.FusionClassifier: rille.Module
local FusionClassifier = nn.Module:extend("FusionClassifier")

---@param opts? { features: integer, width: number|false, classes: integer, hidden: integer, dropout: number }
---  default 1920, 1, 3, 64, 0.25
function FusionClassifier:init(opts)
  local who = "FusionClassifier"
  local o = check.options(who, opts, { features = 1920, width = 1, classes = 3, hidden = 64, dropout = 0.25 })
  local n = check.integer(who, "features", o.features, 0)
  if o.width then n = n + widths(who, o.width)[1] end
  self.fc1 = nn.Linear(n, check.integer(who, "hidden", o.hidden, 1))
  self.dropout = nn.Dropout(o.dropout)
  self.fc2 = nn.Linear(o.hidden, check.integer(who, "classes", o.classes, 1))
end

---What the classifier reads of the maps: small enough to keep for a whole data set while both networks
---are frozen.
function FusionClassifier:pool(f5, d1) -- luacheck: ignore self
  local z = core.mean(f5, { -2, -1 })
  return d1 and core.cat({ z, core.mean(d1, { -2, -1 }) }, { dim = 2 }) or z
end

function FusionClassifier:forward(z) return self.fc2(self.dropout(fused.rectified(self.fc1(z)))) end

return { FusionClassifier = FusionClassifier }
