-- ROC curves: true positive rate over false positive rate, with the diagonal of a coin toss.

local axes = require "rille.plot.axes"
local palette = require "rille.plot.palette"
local svg = require "rille.plot.svg"
local thin = require "rille.plot.thin"

local KNOWN = { "curves", "title", "width" }

local function put_curve(parts, frame, curve, k)
  local fpr, tpr, dash, d = curve.fpr, curve.tpr, palette.dash(k), {}
  for _, i in ipairs(thin.pick(fpr, tpr, function(v) return frame.x.at(v) // 1 end)) do
    if i then d[#d + 1] = svg.px(frame.x.at(fpr[i])) .. " " .. svg.px(frame.y.at(tpr[i])) end
  end
  parts[#parts + 1] = string.format('<path class="line %s"%s d="M%s"/>', palette.series(k),
    dash ~= "" and ' stroke-dasharray="' .. dash .. '"' or "", table.concat(d, " "))
end

---Draw ROC curves.
---Raises: "plot.roc: ..." when a curve has no points or its lists differ in length.
---@param opts { curves: { name: string?, fpr: number[], tpr: number[] }[], title: string?, width: number? }
---  rates from 0 to 1, ascending
---@return string svg
local function roc(opts)
  svg.options("plot.roc", opts, KNOWN)
  local legend = {}
  for k, curve in ipairs(opts.curves or {}) do
    local fpr, tpr = curve.fpr, curve.tpr
    if type(fpr) ~= "table" or type(tpr) ~= "table" or #fpr ~= #tpr or #fpr == 0 then
      error("plot.roc: curve " .. k .. " needs fpr and tpr, as many of each", 2)
    end
    if curve.name then
      legend[#legend + 1] = { name = curve.name, class = palette.series(k), dash = palette.dash(k) }
    end
  end
  local width = opts.width or 400
  local height = width + 16 * #legend
  local frame = axes.frame { width = width, height = height, title = opts.title, legend = legend,
    xlabel = "false positive rate", ylabel = "true positive rate",
    x = { lo = 0, hi = 1 }, y = { lo = 0, hi = 1 } }
  local parts = frame.parts
  svg.put(parts, '<path class="rule" d="M%s %sL%s %s"/>', frame.left, frame.bottom, frame.right, frame.top)
  for k, curve in ipairs(opts.curves or {}) do put_curve(parts, frame, curve, k) end
  return svg.document(width, height, opts.title or "ROC curves", parts)
end

return roc
