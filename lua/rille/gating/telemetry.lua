-- What every gated step tells: how the losses' gradients stand to each other, layer by layer and in all, and
-- how often they were in conflict so far.

local telemetry = {}

---Thresholds of the conflict score: Recon, arXiv:2302.11289, takes S from 0 to -0.1.
telemetry.THRESHOLDS = { 0, -0.1 }

local function short(v) return tonumber(("%.6g"):format(v)) end

-- Per pair dot, two squared norms and a count over the parameters that both reach: of one set.
local function add(sums, products, reached, K)
  local p = 0
  for k = 1, K - 1 do
    for l = k + 1, K do
      if reached[k] and reached[l] then
        sums[p + 1] = (sums[p + 1] or 0) + products[(k - 1) * K + l]
        sums[p + 2] = (sums[p + 2] or 0) + products[(k - 1) * K + k]
        sums[p + 3] = (sums[p + 3] or 0) + products[(l - 1) * K + l]
      else
        for j = 1, 3 do sums[p + j] = sums[p + j] or 0 end
      end
      p = p + 3
    end
  end
end

---Sums for all pairs, per layer and in all.
---@param m table
---@return table<string, number[]> by_layer, number[] all
function telemetry.sums(m)
  local by_layer, all = {}, {}
  for i, products in ipairs(m.gram) do
    if m.shared[i] > 1 then
      local layer = m.layer[i]
      by_layer[layer] = by_layer[layer] or {}
      add(by_layer[layer], products, m.reached[i], m.K)
      add(all, products, m.reached[i], m.K)
    end
  end
  return by_layer, all
end

local function cos_of(sums, p)
  local a, b = sums[p + 2], sums[p + 3]
  if not a or a == 0 or b == 0 then return nil end
  return math.max(-1, math.min(1, sums[p + 1] / (a ^ 0.5 * b ^ 0.5)))
end

-- Two losses: cos, norm_main, norm_aux, the main one first; more: cos_A_B, norm_A, norm_B.
local function put(record, at, sums, ctx, round)
  local K, p = #ctx.losses, 0
  for k = 1, K - 1 do
    for l = k + 1, K do
      local cos = cos_of(sums, p)
      if cos and K == 2 then
        local first, second = p + 2, p + 3
        if ctx.main == 2 then first, second = second, first end
        record[at .. "cos"] = round(cos)
        record[at .. "norm_main"] = round(sums[first] ^ 0.5)
        record[at .. "norm_aux"] = round(sums[second] ^ 0.5)
      elseif cos then
        local a, b = ctx.losses[k], ctx.losses[l]
        record[at .. "cos_" .. a .. "_" .. b] = round(cos)
        record[at .. "norm_" .. a] = round(sums[p + 2] ^ 0.5)
        record[at .. "norm_" .. b] = round(sums[p + 3] ^ 0.5)
      end
      p = p + 3
    end
  end
end

-- state.conflicts[layer] = { pairs seen, of these below 0, below -0.1 }
local function count(state, layer, sums)
  local c = state.conflicts[layer] or { 0, 0, 0 }
  for p = 0, #sums - 3, 3 do
    local cos = cos_of(sums, p)
    if cos then
      c[1] = c[1] + 1
      for j, S in ipairs(telemetry.THRESHOLDS) do c[j + 1] = c[j + 1] + (cos < S and 1 or 0) end
    end
  end
  state.conflicts[layer] = c
end

local function same(v) return v end

---Lay cosines and norms into a gate's record and count conflicts in ctx.state; what the gate itself wrote
---stays.
---@param record table
---@param m table of measure.of
---@param ctx table
---@param has_layers? boolean default true: the record has layers, too
---@return table record
function telemetry.write(record, m, ctx, has_layers)
  if m.K < 2 then return record end
  local by_layer, all = telemetry.sums(m)
  local told = {}
  put(told, "", all, ctx, same)
  ctx.state = ctx.state or {}
  ctx.state.conflicts = ctx.state.conflicts or {}
  for layer, sums in pairs(by_layer) do
    count(ctx.state, layer, sums)
    if has_layers ~= false then put(told, "layer." .. layer .. ".", sums, ctx, short) end
  end
  for key, v in pairs(told) do
    if record[key] == nil then record[key] = v end
  end
  local main, aux = record.norm_main, record.norm_aux
  if main and record.ratio == nil then record.ratio = main > 0 and aux / main or 0 end
  return record
end

local function as_text(list)
  local lines = { ("%-40s %8s %8s %8s"):format("layer", "pairs", "cos < 0", "< -0.1") }
  for _, c in ipairs(list) do
    lines[#lines + 1] = ("%-40s %8d %8.3f %8.3f"):format(c.layer, c.pairs, c.score, c.score_strict)
  end
  return table.concat(lines, "\n")
end

---Conflict score of each layer since the gate was set, as Recon takes it: the share of steps and pairs of
---losses whose cosine was below 0 (score) and below -0.1 (score_strict); worst first.
---@param state table of a gate
---@return { layer: string, pairs: integer, score: number, score_strict: number }[] list shown as a table
function telemetry.conflicts(state)
  local list = {}
  for layer, c in pairs(state and state.conflicts or {}) do
    if c[1] > 0 then
      list[#list + 1] = { layer = layer, pairs = c[1], score = c[2] / c[1], score_strict = c[3] / c[1] }
    end
  end
  table.sort(list, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.layer < b.layer
  end)
  return setmetatable(list, { __tostring = as_text })
end

return telemetry
