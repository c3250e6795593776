-- rl.metrics: what a model reached, in f64. Scores and labels come as Lua lists or as tensors; labels are
-- classes from 1. What is undefined is nil with a reason (false inside lists), and summaries say how many
-- were left out.

local metrics = {}

for _, file in ipairs { "auc", "classes", "findings", "fixations", "maps", "masks", "paired", "quality",
  "shuffled", "statistics", "surfaces" } do
  for name, f in pairs(require("rille.metrics." .. file)) do metrics[name] = f end
end

return metrics
