-- Scores of outputs against the truth, image by image: class probabilities, and CC, HS and KL of saliency
-- maps.
local rl = require "rille"

local scores = {}

local Gather = {}
Gather.__index = Gather

---Collects rows over batches.
---@param watch { classify: string?, saliency: string? } names: logits N x classes; map logits N x 1 x H x W
---@param feed table
---@return table
function scores.gather(watch, feed)
  for key in pairs(watch) do
    if key ~= "classify" and key ~= "saliency" then
      error(('watch: there is no "%s"; there are classify and saliency'):format(tostring(key)), 0)
    end
  end
  return setmetatable({ watch = watch, classes = feed.classes, rows = {} }, Gather)
end

---Put class probabilities into rows.
---@param rows table[]
---@param p number[][] per row
---@param labels? integer[] 0: none
function scores.put_classes(rows, p, labels)
  local predicted = rl.metrics.predicted(p)
  for i, row in ipairs(rows) do
    row.p, row.predicted = p[i], predicted[i]
    if labels and labels[i] > 0 then row.label = labels[i] end
  end
end

---Put scores of map logits against the batch's gaze maps into rows; rows without a gaze map get none.
---@param rows table[]
---@param logits rille.Tensor N x 1 x H x W
---@param batch table
function scores.put_maps(rows, logits, batch)
  if not batch.saliency then return end
  local m, q = rl.metrics, rl.metrics.density(logits)
  local cc, hs, kl = m.cc(q, batch.saliency), m.hs(q, batch.saliency), m.saliency_kl(logits, batch.saliency)
  local has = batch.has_saliency:tolist()
  for i, row in ipairs(rows) do
    if has[i] and has[i] ~= 0 then row.cc, row.hs, row.kl = cc[i] or nil, hs[i] or nil, kl[i] or nil end
  end
end

---Take a batch's outputs.
---@param y table
---@param batch table
function Gather:take(y, batch)
  local rows = {}
  for i, file in ipairs(batch.file) do rows[i] = { file = file } end
  if self.watch.classify then
    local logits = y[self.watch.classify]
    if #logits.shape ~= 2 or logits.shape[2] ~= #self.classes then
      error(('watch: output "%s" is %s; it must be images x %d classes'):format(self.watch.classify,
        table.concat(logits.shape, "x"), #self.classes), 0)
    end
    scores.put_classes(rows, rl.softmax(logits:to("f64"), -1):tolist(), batch.label:tolist())
  end
  if self.watch.saliency then scores.put_maps(rows, y[self.watch.saliency], batch) end
  table.move(rows, 1, #rows, #self.rows + 1, self.rows)
end

---One column of the rows.
---@param rows table[]
---@param name string
---@return any[] false where a row has none
function scores.column(rows, name)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row[name] or false end
  return out
end

---The rows that have a label.
---@param rows table[]
---@return table[]
function scores.labelled(rows)
  local out = {}
  for _, row in ipairs(rows) do
    if row.label then out[#out + 1] = row end
  end
  return out
end

---Means for an epoch's line: auc, accuracy, cc, hs, kl_map, as far as they are watched and defined.
---@return table<string, number>
function Gather:summary()
  local out, rows, m = {}, scores.labelled(self.rows), rl.metrics
  if self.watch.classify and #rows > 0 then
    local labels = scores.column(rows, "label")
    out.auc = m.one_vs_rest(scores.column(rows, "p"), labels).macro
    out.accuracy = m.accuracy(scores.column(rows, "predicted"), labels)
  end
  if self.watch.saliency then
    for key, name in pairs { cc = "cc", hs = "hs", kl_map = "kl" } do
      out[key] = m.summary(scores.column(self.rows, name)).mean
    end
  end
  return out
end

return scores
