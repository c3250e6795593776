-- rille bench kernels: the rate of each family of kernels beside the ceilings of this CPU. Rates are of the
-- ops as a script calls them (rows of rl.profile), the best of a few calls. The ceilings are measured before
-- and between, the best counts: on a shared machine one look may fall into a neighbour's busy minute.
local core = require "rille.core"
local encode = require "rille.util.json".encode
local profile = require "rille.profile"

local rl -- the library, loaded when the command runs

local REPEATS, REPEATS_S = 5, 0.1 -- at least so many, and so long
local PEAKS_EVERY = 25 -- cases
local SHORT_S = 2e-3 -- ops below this are called so often that they take as long together

-- Seconds, bytes and operations of one call of op `name` (its row forward or backward) while f runs.
local function row_of(f, name, back)
  local found
  for _, r in ipairs(profile(f).rows) do
    if r.op == name and r.back == back then found = r end
  end
  return { s = found.s / found.calls, bytes = found.bytes / found.calls, flops = found.flops / found.calls }
end

local function best_row(f, name, back)
  local first = row_of(f, name, back)
  local n = math.max(1, math.min(200, SHORT_S // first.s))
  local function many()
    for _ = 1, n do f() end
  end
  first.s = math.huge
  local k, started = 0, core.clock()
  while k < REPEATS or core.clock() - started < REPEATS_S do
    first.s, k = math.min(first.s, row_of(many, name, back).s), k + 1
  end
  return first
end

---@class Case
---@field family string
---@field shape string
---@field op string the row that counts
---@field make fun(): ... inputs; those that shall have a gradient ask for it
---@field run fun(...): rille.Tensor forward
---@field what string "forward", or what the backward is of

local cases = {}

local function add(family, shape, op, make, run, ...)
  for _, what in ipairs { ... } do
    cases[#cases + 1] = { family = family, shape = shape, op = op, make = make, run = run, what = what }
  end
end

-- Numbers do not change the time of any kernel here, and random ones would take longer than the kernels.
local function some(shape) return rl.full(shape, 0.5) end

local function channels_last(n, c, h, w) return some({ n, h, w, c }):permute { 1, 4, 2, 3 } end

-- A convolution of n maps h x w; its directions: forward, data, weight.
local function convolution(family, n, cin, cout, h, k, stride)
  local o = { stride = stride, padding = k // 2 }
  add(family, ("%d>%d %dx%d"):format(cin, cout, h, h), "conv2d",
    function() return channels_last(n, cin, h, h), some { cout, cin, k, k } end,
    function(x, w) return rl.conv2d(x, w, o) end, "forward", "data", "weight")
end

-- DenseNet-201's 1x1 products on 8 images of 224 x 224: all bottlenecks and transitions.
local function densenet_products()
  local channels = 64
  for block, layers in ipairs { 6, 12, 48, 32 } do
    local h = 112 >> block
    for layer = 0, layers - 1 do
      convolution("product 1x1", 8, channels + 32 * layer, 128, h, 1, 1)
    end
    channels = channels + 32 * layers
    if block < 4 then
      convolution("product 1x1", 8, channels, channels // 2, h, 1, 1)
      channels = channels // 2
    end
  end
end

local function convolutions()
  for _, c in ipairs { { 64, 64, 96 }, { 128, 32, 56 }, { 128, 32, 14 }, { 128, 128, 28 }, { 256, 256, 14 },
    { 512, 512, 7 } } do
    convolution("conv 3x3", 8, c[1], c[2], c[3], 3, 1)
  end
  convolution("conv 3x3 stride 2", 8, 64, 128, 56, 3, 2)
  convolution("conv 7x7 stride 2", 8, 3, 64, 224, 7, 2)
  convolution("conv 9x9", 4, 3, 64, 128, 9, 1)
  convolution("conv 9x9", 4, 64, 3, 128, 9, 1)
end

local function between()
  local function map() return channels_last(8, 64, 112, 112) end
  local shape = "8x64x112x112"
  local function both(family, op, run, more)
    add(family, shape, op, function() return map(), more and more() end, run, "forward", "data")
  end
  local function ones() return rl.ones { 64 } end
  both("norm_act", "norm_act", function(x, w)
    return rl.norm_act(x, nil, nil, nil, w, w, { training = true, act = "relu" })
  end, ones)
  local overlap, halves = { kernel_size = 3, stride = 2, padding = 1 }, { kernel_size = 2, stride = 2 }
  both("max_pool2d", "max_pool2d", function(x) return rl.max_pool2d(x, overlap) end)
  both("avg_pool2d", "avg_pool2d", function(x) return rl.avg_pool2d(x, halves) end)
  for _, mode in ipairs { "nearest", "bilinear" } do
    local o = { scale_factor = 2, mode = mode }
    both("interpolate " .. mode, "interpolate", function(x) return rl.interpolate(x, o) end)
  end
  both("relu", "relu", function(x) return rl.relu(x) end)
  both("add", "add", function(x, y) return rl.add(x, y) end, map)
  both("mul", "mul", function(x, y) return rl.mul(x, y) end, map)
  both("exp", "exp", function(x) return rl.exp(x) end)
  both("mean over the map", "mean", function(x) return x:mean { dim = { 3, 4 } } end)
  both("sum", "sum", function(x) return x:sum() end)
  add("softmax", "4096x1000", "softmax", function() return some { 4096, 1000 } end,
    function(x) return rl.softmax(x, -1) end, "forward", "data")
  add("log_softmax", "2x81920", "log_softmax", function() return some { 2, 81920 } end,
    function(x) return rl.log_softmax(x, -1) end, "forward", "data")
end

-- What is asked of a case as a function, and whether its row is a backward one.
local function prepare(case)
  local x, w = case.make()
  if case.what == "forward" then
    return function() return core.no_grad(case.run, x, w) end, false
  end
  local wanted = case.what == "weight" and w or x:requires_grad_()
  wanted.requires_grad = true
  local y = case.run(x, w)
  local s = y.shape
  local seed = #s == 4 and channels_last(table.unpack(s)) or some(s)
  return function() return core.grad(y, wanted, { retain = true, seed = seed }) end, true
end

local function adam()
  local n, params, grads, m, v = 20, {}, {}, {}, {}
  for k = 1, n do
    params[k], grads[k], m[k], v[k] = some { 1 << 20 }, some { 1 << 20 }, some { 1 << 20 }, some { 1 << 20 }
  end
  local o = { lr = 1e-9, step = 10, clip = math.huge }
  local r = best_row(function() core.adam_step(params, grads, m, v, o) end, "adam_step", false)
  r.family, r.shape, r.what = "adam, norm and clip", "20x1M", "step"
  return r
end

local function show(r, peaks, o)
  local of_fma = r.flops > 0 and r.flops / r.s / peaks.fma
  local of_copy = r.flops == 0 and r.bytes / r.s / peaks.dram_copy
  if o.json then
    print(encode { family = r.family, shape = r.shape, what = r.what, s = r.s, bytes = r.bytes,
      flops = r.flops, of_fma = of_fma or nil, of_copy = of_copy or nil })
  else
    print(("%-20s %-16s %-8s %9.3f %9s %8.1f  %s"):format(r.family, r.shape, r.what, r.s * 1e3,
      of_fma and ("%.1f"):format(r.flops / r.s * 1e-9) or "-", r.bytes / r.s * 1e-9,
      of_fma and ("%.0f %% of FMA"):format(100 * of_fma) or ("%.0f %% of DRAM copy"):format(100 * of_copy)))
  end
end

local function show_peaks(peaks, o)
  if o.json then
    print(encode { peaks = peaks, threads = core.threads(), cpu = core.cpu_name() or "unknown",
      isa = core.isa() })
    return
  end
  print(("%s, %s, %d threads"):format(core.cpu_name() or "unknown", core.isa(), core.threads()))
  print(("peaks: FMA %.1f GF/s; read and copy in GB/s: L2 %.0f %.0f, L3 %.0f %.0f, DRAM %.1f %.1f"):format(
    peaks.fma * 1e-9, peaks.l2_read * 1e-9, peaks.l2_copy * 1e-9, peaks.l3_read * 1e-9, peaks.l3_copy * 1e-9,
    peaks.dram_read * 1e-9, peaks.dram_copy * 1e-9))
end

local function show_head()
  print(("%-20s %-16s %-8s %9s %9s %8s"):format("kernels", "shape", "what", "ms", "GF/s", "GB/s"))
end

-- The products are many and alike: one line each in JSON, one per map size and direction in the table.
local function show_products(rows, peaks, o)
  local sums, list = {}, {}
  for _, r in ipairs(rows) do
    if o.json then show(r, peaks, o) end
    for _, key in ipairs { r.shape:match "%S+$" .. " " .. r.what, "all " .. r.what } do
      local s = sums[key]
      if not s then
        s = { family = r.family, shape = key:match "^%S+", what = r.what, s = 0, bytes = 0, flops = 0 }
        sums[key], list[#list + 1] = s, s
      end
      s.s, s.bytes, s.flops = s.s + r.s, s.bytes + r.bytes, s.flops + r.flops
    end
  end
  for _, s in ipairs(list) do show(s, peaks, o) end
end

local function raise(peaks)
  for name, value in pairs(core.peaks()) do peaks[name] = math.max(peaks[name], value) end
end

---Measure and print.
---@param o { json: boolean?, only: string? }
return function(o)
  rl = require "rille"
  core.manual_seed(1)
  local peaks, products = core.peaks(), {}
  show_peaks(peaks, o)
  if not o.json then show_head() end
  densenet_products()
  convolutions()
  between()
  local function wanted(family) return not o.only or family:find(o.only, 1, true) end
  local measured = 0
  for _, case in ipairs(cases) do
    if not wanted(case.family) then goto next end
    measured = measured + 1
    if measured % PEAKS_EVERY == 0 then raise(peaks) end
    local f, back = prepare(case)
    local r = best_row(f, case.op, back)
    r.family, r.shape, r.what = case.family, case.shape, case.what
    if r.family == "product 1x1" then
      products[#products + 1] = r
    else
      if products then show_products(products, peaks, o) end
      products = nil
      show(r, peaks, o)
    end
    ::next::
  end
  if products then show_products(products, peaks, o) end
  if wanted "adam" then show(adam(), peaks, o) end
  show_peaks(peaks, o)
  return 0
end
