-- Which figures of metrics.json are headlines, how they are called, and in which order they stand.

local format = require "rille.report.format"

local figures = {}

local NAMES = {
  accuracy = "accuracy", auc_macro = "AUC, macro", auc_micro = "AUC, micro", auc = "AUC", cc = "CC",
  auc_findings = "AUC, over findings", ap_findings = "AP, over findings", ap = "AP",
  hs = "HS", kl = "KL", kl_map = "KL", nss = "NSS", auc_judd = "AUC-Judd", sauc = "sAUC",
  ig = "information gain (bits)", f1 = "F1", precision = "precision", recall = "recall",
  psnr = "PSNR (dB)", ssim = "SSIM", dice = "Dice", iou = "Jaccard", mean_iou = "mean IoU",
  mask_precision = "precision of masks", hd95 = "HD95 (pixels)", mse = "MSE", mae = "MAE", loss = "loss",
  psnr_inside = "PSNR inside the mask (dB)", psnr_outside = "PSNR outside the mask (dB)",
  ssim_inside = "SSIM inside the mask", ssim_outside = "SSIM outside the mask",
}
local ORDER = { "auc_macro", "auc_micro", "auc_findings", "ap_findings", "accuracy", "cc", "hs", "kl", "nss",
  "auc_judd", "sauc", "ig", "dice", "iou", "mean_iou", "hd95", "psnr", "ssim" }
local LESS_IS_BETTER = { kl = true, kl_map = true, mse = true, mae = true, loss = true, hausdorff = true,
  hd95 = true }
local RANK = {}
for k, key in ipairs(ORDER) do RANK[key] = k end

---Sorted names of a table's string keys.
---@param t any
---@return string[]
function figures.keys(t)
  local out = {}
  for key in pairs(type(t) == "table" and t or {}) do
    if type(key) == "string" then out[#out + 1] = key end
  end
  table.sort(out)
  return out
end

---The name of a metric for readers.
---@param key string
---@return string
function figures.name(key) return NAMES[key] or (key:gsub("_", " ")) end

---Whether lower values of a metric are the better ones.
---@param key string
---@return boolean
function figures.is_less_better(key) return LESS_IS_BETTER[key] == true end

---Whether a metric is one of those that stand first; the others have no charts of their own.
---@param key string
---@return boolean
function figures.is_main(key) return RANK[key] ~= nil end

---Put metric keys into the order of headlines, in place.
---@param keys string[]
---@return string[] keys
function figures.sort(keys)
  table.sort(keys, function(a, b)
    local p, q = RANK[a] or 99, RANK[b] or 99
    if p ~= q then return p < q end
    return a < b
  end)
  return keys
end

local function figure(key, v, metrics)
  local interval = metrics[key .. "_interval"]
  if format.is_number(v) then return { key = key, value = v, interval = interval } end
  if type(v) == "table" and format.is_number(v.mean) then
    return { key = key, value = v.mean, std = v.std, median = v.median, is_mean = true,
      interval = v.interval or interval or metrics[key .. "_mean_interval"] }
  end
end

---The figures that stand for a whole run: numbers, and means over images.
---@param metrics any the `metrics` of metrics.json, or one of its trivial answers
---@return { key: string, value: number, interval: number[]?, std: number?, median: number?,
---  is_mean: boolean? }[]
function figures.headline(metrics)
  local out = {}
  for _, key in ipairs(figures.sort(figures.keys(metrics))) do
    out[#out + 1] = figure(key, metrics[key], metrics)
  end
  return out
end

---The classes, in the run's order: those of run.json, else the names found in the metrics.
---@param run table
---@return string[]
function figures.classes(run)
  local data = type(run.info.data) == "table" and run.info.data or {}
  if type(data.classes) == "table" and #data.classes > 0 then
    local out = {}
    for k, name in ipairs(data.classes) do out[k] = tostring(name) end
    return out
  end
  return figures.keys(run.metrics.roc)
end

return figures
