-- Makes a run folder for the report's specs: two stages, one of them gated, from a fixed sequence of
-- pseudo-random numbers. Pictures are real PNG files, with stored (uncompressed) data.

local json = require "rille.util.json"

local folder = {}

local state = 1
local function random()
  state = (state * 1103515245 + 12345) % 2147483648
  return state / 2147483648
end

local function crc32(text)
  local crc = 0xFFFFFFFF
  for i = 1, #text do
    crc = crc ~ text:byte(i)
    for _ = 1, 8 do crc = (crc >> 1) ~ (0xEDB88320 & -(crc & 1)) end
  end
  return crc ~ 0xFFFFFFFF
end

local function adler32(text)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + text:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return b << 16 | a
end

---A grey PNG of size x size; `value(x, y)` gives 0 to 255.
---@param size integer at most 200
---@param value fun(x: integer, y: integer): integer
---@return string
function folder.png(size, value)
  local rows = {}
  for y = 1, size do
    local row = { "\0" }
    for x = 1, size do row[x + 1] = string.char(value(x, y)) end
    rows[y] = table.concat(row)
  end
  local raw = table.concat(rows)
  local sizes = string.pack("<I2I2", #raw, ~#raw & 0xFFFF)
  local packed = "\x78\x01\1" .. sizes .. raw .. string.pack(">I4", adler32(raw))
  local function chunk(kind, data)
    return string.pack(">I4", #data) .. kind .. data .. string.pack(">I4", crc32(kind .. data))
  end
  return "\137PNG\r\n\26\n" .. chunk("IHDR", string.pack(">I4I4BBBBB", size, size, 8, 0, 0, 0, 0)) ..
    chunk("IDAT", packed) .. chunk("IEND", "")
end

---Write a file of the folder.
---@param dir string
---@param name string
---@param text string
function folder.put(dir, name, text)
  local f = assert(io.open(dir .. "/" .. name, "wb"))
  f:write(text)
  f:close()
end

local function gate_record(i, n, layers)
  local record = { open = random() < 0.3 + 0.5 * i / n and 1 or 0,
    cos = math.sin(i / n * 5) * 0.5 + random() * 0.4 - 0.2,
    norm_main = 1 + random(), norm_aux = 0.1 + random(), layers = {} }
  for k, name in ipairs(layers) do
    local cos = math.max(-1, math.min(1, math.sin(i / n * 6 + k / 3) * 0.8 + random() * 0.4 - 0.2))
    record.layers[name] = { cos = cos, norm_main = 1, norm_aux = 1, open = cos > 0 and 1 or 0 }
  end
  return record
end

local function step_record(stage, step, i, steps, layers)
  local losses, weights = {}, {}
  for k, name in ipairs(stage.losses) do
    losses[name] = (0.2 + 2 * math.exp(-3 * i / steps)) * (0.7 + 0.6 * random()) / k
    weights[name] = k == 1 and 1 or stage.gated and math.min(1, i / steps * 2) or 0.5
  end
  return { kind = "step", stage = stage.name, step = step, epoch = (i - 1) * 12 // steps + 1, losses = losses,
    weights = weights, total = losses[stage.losses[1]] * 1.2, images = 16, seconds = 0.1,
    lr = stage.gated and 1e-3 * 0.5 ^ (i * 4 // steps) or 1e-4,
    gate = stage.gated and gate_record(i, steps, layers) or nil }
end

local function epoch_record(stage, step, e)
  return { kind = "epoch", stage = stage.name, epoch = e, step = step, best = e == 9,
    train = { loss = 2 / e },
    val = { loss = 2 / e + 0.02 * e, auc = 0.95 - 0.4 / e, cc = 0.8 - 0.5 / e }, seconds = 12.5 }
end

---The log as a list of records; every stage has 12 epochs.
---@param stages { name: string, losses: string[], gated: boolean? }[]
---@param steps integer per stage, a multiple of 12
---@param layers string[]
---@return table[]
function folder.log(stages, steps, layers)
  local out, step = {}, 0
  for s, stage in ipairs(stages) do
    out[#out + 1] = { kind = "stage", stage = stage.name, event = "begin", step = step,
      parameters_trained = 20013928 // s, parameters_frozen = 7978856 * (s - 1) }
    for i = 1, steps do
      step = step + 1
      out[#out + 1] = step_record(stage, step, i, steps, layers)
      if i * 12 % steps == 0 then out[#out + 1] = epoch_record(stage, step, i * 12 // steps) end
    end
    out[#out + 1] = { kind = "stage", stage = stage.name, event = "end", step = step, epoch = 12,
      seconds = 151.3 * s, peak_mib = 812.4 * s, best_epoch = 9, reason = "12 epochs" }
  end
  for _, at in ipairs { 17, 44 } do
    out[#out + 1] = { kind = "warning", step = at, text = "images/031.png: grey where colour was expected" }
  end
  return out
end

local RECIPE = [[
-- Does the gaze task help the diagnosis if its gradient enters the encoder only while both agree?
-- rille run cooperative --vary stages.joint.gate=none,gradprom:main=ce --seeds 1..5
local rl = require "rille"
local R = {}
R.options = { size = 128, batch = 16 }
return R
]]

---run.json's content.
---@param classes string[]
---@return table
function folder.info(classes)
  return { recipe = "recipes/cooperative.lua", recipe_text = RECIPE, preset = "desk", seed = 1, threads = 2,
    options = { size = 128, batch = 16, channels = 1, augment = { rotate = 5, flip = false } },
    data = { dir = "phantom", name = "chest phantom", classes = classes,
      counts = { train = 700, val = 100, test = 300 } },
    versions = { rille = "0.1.0", lua = "Lua 5.4.4" }, cpu = "Example CPU 3.0", isa = "avx512",
    blas = "SkylakeX",
    stages = {
      { name = "saliency", trains = "res_se. decoder.", losses = { kl = 1 }, gate = "none",
        optimiser = { "Adam" }, ends = { epochs = 12 } },
      { name = "joint", trains = "*", losses = { ce = 1, kl = "ramp" },
        gate = { name = "gradprom", main = "ce" }, optimiser = { "Adam" }, ends = { plateau = 10 } },
    },
    models = { { name = "encoder", parameters = 20013928 }, { name = "decoder", parameters = 7978856 } },
    started = "2026-01-31 12:00:00" }
end

local function roc(power)
  local fpr, tpr = {}, {}
  for i = 0, 60 do
    fpr[i + 1] = i / 60
    tpr[i + 1] = (i / 60) ^ power
  end
  local auc = 1 / (1 + power)
  return { fpr = fpr, tpr = tpr, auc = auc, interval = { auc - 0.03, auc + 0.02 } }
end

---metrics.json's content.
---@param classes string[]
---@return table
function folder.metrics(classes)
  local m = { split = "test", n = 300, weights_crc = "5f3a09c1", roc = {}, confusion = {},
    metrics = { accuracy = 0.8333, auc_macro = 0.9312, auc_micro = 0.9287,
      auc_macro_interval = { 0.9071, 0.9523 },
      cc = { mean = 0.7312, median = 0.751, std = 0.0912 }, kl = { mean = 0.4123, median = 0.39, std = 0.11 },
      auc = {}, precision = {}, recall = {}, f1 = {} },
    trivial = { thumbnail = { auc_macro = 0.781 }, mean_map = { cc = { mean = 0.612 } },
      gaussian = { cc = { mean = 0.55 } } },
    differences = { ["auc_macro vs thumbnail"] = { mean = 0.1502, interval = { 0.112, 0.188 } },
      ["cc vs mean_map"] = { mean = 0.009, interval = { -0.011, 0.031 } } } }
  for k, name in ipairs(classes) do
    m.roc[name] = roc(0.05 * k)
    m.metrics.auc[name] = m.roc[name].auc
    m.metrics.precision[name], m.metrics.recall[name] = 0.8 + 0.02 * k, 0.85
    m.metrics.f1[name] = 0.83
    m.confusion[k] = {}
    for c = 1, #classes do m.confusion[k][c] = c == k and 83 + k or 8 + c end
  end
  return m
end

local function pictures(dir)
  local index = {}
  for k, role in ipairs { "best", "median", "worst" } do
    local entry = { title = role .. " CC 0." .. (9 - 2 * k) .. "3", role = role,
      file = "images/" .. k .. ".png", label = "chf", predicted = k == 3 and "normal" or "chf", panels = {} }
    for p, label in ipairs { "X-ray", "radiologist", "ours" } do
      local name = string.format("pictures/p%d_%d.png", k, p)
      folder.put(dir, name, folder.png(64, function(x, y)
        local d = ((x - 20 - 8 * p) ^ 2 + (y - 30) ^ 2) / (40 * k)
        return math.floor(190 * math.exp(-d) + 20 * p)
      end))
      entry.panels[p] = { label = label, png = name }
    end
    index[k] = entry
  end
  folder.put(dir, "pictures/index.json", json.encode(index))
end

---Write a whole run folder.
---@param dir string exists, and has a folder pictures
---@param opts? { classes: string[]?, steps: integer?, layers: string[]?,
---  edit: fun(info: table, metrics: table)? } edit: changes run.json and metrics.json before they are written
function folder.write(dir, opts)
  opts = opts or {}
  state = 1
  local classes = opts.classes or { "normal", "chf", "pneumonia" }
  local info, metrics = folder.info(classes), folder.metrics(classes)
  if opts.edit then opts.edit(info, metrics) end
  folder.put(dir, "run.json", json.encode(info))
  folder.put(dir, "metrics.json", json.encode(metrics))
  local stages = { { name = "saliency", losses = { "kl" } },
    { name = "joint", losses = { "ce", "kl" }, gated = true } }
  local layers = opts.layers or { "encoder.conv1", "encoder.conv2", "encoder.conv10", "decoder.up1" }
  local lines = {}
  for i, record in ipairs(folder.log(stages, opts.steps or 48, layers)) do lines[i] = json.encode(record) end
  folder.put(dir, "log.jsonl", table.concat(lines, "\n") .. "\n{\"kind\":\"step\",\"sta")
  local journal = { { step = 40, kind = "set", path = "stages.joint.gate", value = "none" },
    { step = 44, kind = "chunk", text = "state.options.gaze = 0.25" } }
  folder.put(dir, "journal.jsonl", json.encode(journal[1]) .. "\n" .. json.encode(journal[2]) .. "\n")
  pictures(dir)
end

return folder
