-- nn.init: first values of parameters, drawn from the default random stream. All write into the tensor
-- and return it.
-- Sources: He et al. 2015, arXiv:1502.01852 (kaiming); Glorot and Bengio, AISTATS 2010 (xavier).

local core = require "rille.core"
local check = require "rille.util.check"

local init = {}
local drawing = true

-- t = factor * a draw of f + shift
local function fill(t, f, factor, shift)
  if not drawing then return t end
  local draw = f(t.shape, { dtype = t.dtype })
  core.no_grad(function()
    draw:mul_(factor)
    if shift ~= 0 then draw:add_(shift) end
    t:copy_(draw)
  end)
  draw:release()
  return t
end

---Run f(...) while layers start with zeros and nn.init draws nothing: for models whose weights come
---from elsewhere.
---@param f function
---@return any results of f
function init.skip(f, ...)
  local was = drawing
  drawing = false
  local results = table.pack(pcall(f, ...))
  drawing = was
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

---How many inputs and outputs one output and one input meet: the product of O,I,H,W without the first,
---or second.
---@return integer fan_in, integer fan_out
function init.fans(t)
  local shape = t.shape
  if #shape < 2 then
    error(("init: a tensor of %s has no fans; 2 dims or more"):format(check.shape_text(t)), 2)
  end
  local field = 1
  for d = 3, #shape do field = field * shape[d] end
  return shape[2] * field, shape[1] * field
end

---The factor by which a nonlinearity shrinks the standard deviation's needed growth; as in PyTorch.
---@param nonlinearity string
---@param a? number slope of leaky_relu, default 0.01
---@return number gain
function init.calculate_gain(nonlinearity, a)
  local gains = {
    linear = 1, conv2d = 1, sigmoid = 1, tanh = 5 / 3, relu = 2 ^ 0.5, selu = 0.75,
    leaky_relu = (2 / (1 + (a or 0.01) ^ 2)) ^ 0.5,
  }
  local gain = gains[nonlinearity]
  if not gain then check.unknown("init.calculate_gain", "nonlinearity", nonlinearity, gains, 2) end
  return gain
end

---@param t rille.Tensor
---@param lo? number default 0
---@param hi? number default 1
function init.uniform_(t, lo, hi)
  lo, hi = lo or 0, hi or 1
  return fill(t, core.rand, hi - lo, lo)
end

---@param t rille.Tensor
---@param mean? number default 0
---@param std? number default 1
function init.normal_(t, mean, std) return fill(t, core.randn, std or 1, mean or 0) end

function init.constant_(t, value)
  core.no_grad(function() t:fill_(value) end)
  return t
end

function init.zeros_(t) return init.constant_(t, 0) end

function init.ones_(t) return init.constant_(t, 1) end

local kaiming = { a = 0, mode = "fan_in", nonlinearity = "leaky_relu" }

local function kaiming_std(who, t, opts)
  local o = check.options(who, opts, kaiming)
  check.word(who, "mode", o.mode, { "fan_in", "fan_out" })
  local fan_in, fan_out = init.fans(t)
  return init.calculate_gain(o.nonlinearity, o.a) / (o.mode == "fan_in" and fan_in or fan_out) ^ 0.5
end

---Uniform in +-gain * sqrt(3 / fan).
---@param opts? { a: number, mode: string, nonlinearity: string } default 0, "fan_in", "leaky_relu"
function init.kaiming_uniform_(t, opts)
  local bound = 3 ^ 0.5 * kaiming_std("init.kaiming_uniform_", t, opts)
  return init.uniform_(t, -bound, bound)
end

---Normal with standard deviation gain / sqrt(fan).
---@param opts? { a: number, mode: string, nonlinearity: string } default 0, "fan_in", "leaky_relu"
function init.kaiming_normal_(t, opts)
  return init.normal_(t, 0, kaiming_std("init.kaiming_normal_", t, opts))
end

---Uniform in +-gain * sqrt(6 / (fan_in + fan_out)).
---@param gain? number default 1
function init.xavier_uniform_(t, gain)
  local fan_in, fan_out = init.fans(t)
  local bound = (gain or 1) * (6 / (fan_in + fan_out)) ^ 0.5
  return init.uniform_(t, -bound, bound)
end

---Normal with standard deviation gain * sqrt(2 / (fan_in + fan_out)).
---@param gain? number default 1
function init.xavier_normal_(t, gain)
  local fan_in, fan_out = init.fans(t)
  return init.normal_(t, 0, (gain or 1) * (2 / (fan_in + fan_out)) ^ 0.5)
end

---A parameter drawn as layers draw theirs: uniform in +-bound.
---@param shape integer[]
---@param bound number
---@return rille.Tensor parameter
function init.parameter(shape, bound)
  local t = drawing and core.rand(shape):mul_(2 * bound):add_(-bound) or core.zeros(shape)
  t.requires_grad = true
  return t
end

return init
