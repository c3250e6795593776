-- Loading weights whose last layer was made for another number of classes.

local check = require "rille.util.check"

---Take a last layer of another size out of a state that is about to be loaded: the model keeps its own, and a
---message in report.skipped says so.
---@param linear rille.Linear the model's own
---@param state table<string, rille.Tensor> changed
---@param name string the layer's name in the state, as "classifier"
---@param report table as Module:adapt_state gets it
return function(linear, state, name, report)
  local weight, bias = name .. ".weight", name .. ".bias"
  local given, own = state[weight], linear.weight
  if given == nil or check.shape_text(given) == check.shape_text(own) then return end
  report.skipped[#report.skipped + 1] = ("%s is %s, the model has %s: the classifier keeps its start"):format(
    weight, check.shape_text(given), check.shape_text(own))
  state[weight], state[bias] = nil, nil
  report.excused[weight], report.excused[bias] = true, true
end
