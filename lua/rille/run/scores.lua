-- Scores of outputs against the truth, image by image: class probabilities, and CC, HS and KL of saliency
-- maps (definitions: CC Pearson's correlation over pixels; HS the sum of the smaller of both densities;
-- KL(truth || map)).
local bootstrap = require "rille.run.bootstrap"
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

---Per image: cc, hs and kl of density q against density g, both N x pixels.
---@param log_q rille.Tensor ln of the predicted density
---@param g rille.Tensor sums to 1 per row
---@return { cc: number[], hs: number[], kl: number[] }
function scores.maps(log_q, g)
  local q = log_q:exp()
  local dq, dg = q - q:mean({ dim = { -1 }, keepdim = true }), g - g:mean({ dim = { -1 }, keepdim = true })
  local top, below = (dq * dg):sum { dim = { -1 } },
    ((dq * dq):sum { dim = { -1 } } * (dg * dg):sum { dim = { -1 } }):sqrt()
  local entropy = (g * (g + 1e-30):log()):sum { dim = { -1 } }
  return { cc = (top / below):tolist(), hs = rl.minimum(q, g):sum({ dim = { -1 } }):tolist(),
    kl = (entropy - (g * log_q):sum { dim = { -1 } }):tolist() }
end

local function take_classes(self, rows, logits, batch)
  local p, label = rl.softmax(logits:to("f64"), -1):tolist(), batch.label:tolist()
  for i, row in ipairs(rows) do
    row.p, row.label = p[i], label[i] > 0 and label[i] or nil
    local best = 1
    for k = 2, #p[i] do
      if p[i][k] > p[i][best] then best = k end
    end
    row.predicted = best
    if #p[i] ~= #self.classes then
      error(('watch: output "%s" has %d columns, but there are %d classes'):format(self.watch.classify, #p[i],
        #self.classes), 0)
    end
  end
end

local function take_maps(rows, logits, batch)
  if not batch.saliency then return end
  local n = logits.shape[1]
  local log_q = rl.log_softmax(logits:reshape({ n, -1 }):to("f64"), -1)
  local m = scores.maps(log_q, batch.saliency:reshape({ n, -1 }):to("f64"))
  local has = batch.has_saliency and batch.has_saliency:tolist()
  for i, row in ipairs(rows) do
    if not has or has[i] ~= false and has[i] ~= 0 then row.cc, row.hs, row.kl = m.cc[i], m.hs[i], m.kl[i] end
  end
end

---Take a batch's outputs.
---@param y table
---@param batch table
function Gather:take(y, batch)
  local rows = {}
  for i, file in ipairs(batch.file) do rows[i] = { file = file } end
  if self.watch.classify then take_classes(self, rows, y[self.watch.classify], batch) end
  if self.watch.saliency then take_maps(rows, y[self.watch.saliency], batch) end
  table.move(rows, 1, #rows, #self.rows + 1, self.rows)
end

---One column of the rows.
---@param rows table[]
---@param name string
---@return any[] with holes where a row has none
function scores.column(rows, name)
  local out = {}
  for i, row in ipairs(rows) do out[i] = row[name] end
  return out
end

local function labelled(rows)
  local out = {}
  for _, row in ipairs(rows) do
    if row.label then out[#out + 1] = row end
  end
  return out
end

---One-vs-rest problems: per class its scores, who is positive, and the order of the scores.
---@param rows table[] labelled
---@param classes string[]
---@return table[]
function scores.one_vs_rest(rows, classes)
  local out = {}
  for k in ipairs(classes) do
    local one = { scores = {}, is_positive = {} }
    for i, row in ipairs(rows) do one.scores[i], one.is_positive[i] = row.p[k], row.label == k end
    one.order = bootstrap.order(one.scores)
    out[k] = one
  end
  return out
end

---Macro mean of the one-vs-rest areas; classes that are absent are left out.
---@param problems table[] of one_vs_rest
---@param times? integer[]
---@return number?
function scores.auc_macro(problems, times)
  local sum, n = 0, 0
  for _, one in ipairs(problems) do
    local a = bootstrap.auc(one.scores, one.is_positive, one.order, times)
    if a then sum, n = sum + a, n + 1 end
  end
  return n > 0 and sum / n or nil
end

---Share of images whose label was predicted.
---@param rows table[] labelled
---@param times? integer[]
---@return number?
function scores.accuracy(rows, times)
  local hits = {}
  for i, row in ipairs(rows) do hits[i] = row.predicted == row.label and 1 or 0 end
  return bootstrap.mean(hits, #rows, times)
end

---Means for an epoch's line: auc, accuracy, cc, hs, kl_map, as far as they are watched and defined.
---@return table<string, number>
function Gather:summary()
  local out, rows = {}, labelled(self.rows)
  if self.watch.classify and #rows > 0 then
    out.auc = scores.auc_macro(scores.one_vs_rest(rows, self.classes))
    out.accuracy = scores.accuracy(rows)
  end
  if self.watch.saliency then
    out.cc = bootstrap.mean(scores.column(self.rows, "cc"), #self.rows)
    out.hs = bootstrap.mean(scores.column(self.rows, "hs"), #self.rows)
    out.kl_map = bootstrap.mean(scores.column(self.rows, "kl"), #self.rows)
  end
  return out
end

scores.labelled = labelled

return scores
