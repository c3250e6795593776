-- Rare findings: average precision, several labels per image, and intervals of both areas by resampling.

local ranks = require "rille.metrics.ranks"
local statistics = require "rille.metrics.statistics"
local values = require "rille.metrics.values"

local findings = {}

---Average precision: sum over thresholds of (R_k - R_{k-1}) P_k, thresholds falling through the distinct
---scores; no interpolation, so it is not the area under the curve by trapezoids. A coin reaches the share of
---positives.
---@param scores number[]|rille.Tensor larger: more likely positive
---@param labels any[]|rille.Tensor true, false, 1 or 0
---@return number? average, string? reason nil without positives, or where a score is no number
function findings.average_precision(scores, labels)
  local s, positive = values.two_classes("metrics.average_precision", scores, labels)
  local fault = values.not_numbers(s)
  if fault then return nil, fault end
  return ranks.average_precision(ranks.problem(s, positive))
end

---Precision against recall: one point per distinct score, descending.
---@param scores number[]|rille.Tensor
---@param labels any[]|rille.Tensor
---@return { precision: number[], recall: number[], threshold: number[] }? curve, string? reason as above
function findings.precision_recall_curve(scores, labels)
  local s, positive = values.two_classes("metrics.precision_recall_curve", scores, labels)
  local fault, P = values.not_numbers(s), 0
  for _, is in ipairs(positive) do P = P + (is and 1 or 0) end
  if fault or P == 0 then return nil, fault or "there is no positive" end
  local curve, tp, said, at = { precision = {}, recall = {}, threshold = {} }, 0, 0, 0
  for score, p, n in ranks.groups(ranks.problem(s, positive)) do
    tp, said, at = tp + p, said + p + n, at + 1
    curve.precision[at], curve.recall[at], curve.threshold[at] = tp / said, tp / P, score
  end
  return curve
end

local function interval(who, figure, scores, labels, opts)
  local s, positive = values.two_classes(who, scores, labels)
  local fault = values.not_numbers(s)
  if fault then return { samples = 0 }, fault end
  local problem = ranks.problem(s, positive)
  local out = statistics.bootstrap_counts(#s, function(times) return (figure(problem, times)) end, opts)
  return out, out.value == nil and select(2, figure(problem)) or nil
end

---Percentile interval of the area under the ROC curve, by resampling cases.
---@param scores number[]|rille.Tensor
---@param labels any[]|rille.Tensor
---@param opts? { samples: integer, level: number, seed: integer } default 1000, 0.95, 1
---@return { value: number?, low: number?, high: number?, samples: integer }, string? reason
function findings.auc_interval(scores, labels, opts)
  return interval("metrics.auc_interval", ranks.area, scores, labels, opts)
end

---Percentile interval of the average precision, by resampling cases.
---@param scores number[]|rille.Tensor
---@param labels any[]|rille.Tensor
---@param opts? { samples: integer, level: number, seed: integer } default 1000, 0.95, 1
---@return { value: number?, low: number?, high: number?, samples: integer }, string? reason
function findings.average_precision_interval(scores, labels, opts)
  return interval("metrics.average_precision_interval", ranks.average_precision, scores, labels, opts)
end

-- Column k without the cases whose label is neither yes nor no.
local function column(rows, labels, k)
  local s, positive, count = {}, {}, 0
  for i, row in ipairs(rows) do
    local label = labels[i][k]
    if label == 1 or label == true or label == 0 or label == false then
      s[#s + 1], positive[#s + 1] = row[k], label == 1 or label == true
      if positive[#s] then count = count + 1 end
    end
  end
  return s, positive, count
end

---Several labels per image: area, average precision and prevalence per column, and the plain mean of the
---areas that are defined. In each column the images whose label is uncertain (-1) or missing (NaN) are left
---out; `n` says how many remain.
---@param scores number[][]|rille.Tensor N x K
---@param labels number[][]|rille.Tensor N x K: 1, 0, or anything else for unknown
---@return { auc: (number|false)[], average_precision: (number|false)[], prevalence: (number|false)[],
---  n: integer[], macro: number?, undefined: integer } undefined: columns without an area
function findings.multilabel(scores, labels)
  local who = "metrics.multilabel"
  local rows, truth = values.rows(who, scores), values.rows(who, labels)
  values.same_length(who, rows, truth)
  local out = { auc = {}, average_precision = {}, prevalence = {}, n = {} }
  for k = 1, rows[1] and #rows[1] or 0 do
    local s, positive, count = column(rows, truth, k)
    local problem = not values.not_numbers(s) and ranks.problem(s, positive)
    out.auc[k] = problem and ranks.area(problem) or false
    out.average_precision[k] = problem and ranks.average_precision(problem) or false
    out.prevalence[k], out.n[k] = #s > 0 and count / #s, #s
  end
  local s = statistics.summary(out.auc)
  out.macro, out.undefined = s.mean, s.undefined
  return out
end

return findings
