-- Chains of convolution, batch norm, activation, doubling and concatenation without the maps between them. A
-- lazy value is what a convolution wrote and what is still to be done to it; the next convolution reads it
-- through that, by rl.norm_conv2d. What comes out is what the modules give one by one, up to rounding. A
-- module that has a hook, or a forward of its own, is called as it stands.

local core = require "rille.core"

local enter = core.enter

-- off = true: every module is called by itself; relu: a function in place of rl.relu then, of another slope
local fused = { off = false, relu = nil }

-- A value: x, the tensor as it stands; norm, a BatchNorm2d still to be applied, `by` its options, moments of
-- x where they are known; act "none", "relu" or "prelu" with slope; up 1 or 2; skip, a tensor whose channels
-- come first. Each step takes the value it is given: use it once, or make it a tensor with fused.value.
local Value = {}
Value.__index = Value
Value.__name = "lazy value"

local function raw(x, moments, own)
  return setmetatable({ x = x, moments = moments, own = own, act = "none", up = 1 }, Value)
end

local function is_lazy(v) return getmetatable(v) == Value end

local function is_touched(v) return v.norm or v.act ~= "none" or v.up ~= 1 or v.skip end

---Whether a module may be taken into a chain as `kind`; nil: it is to be called.
local function kind_of(m)
  local kind = m._fusable
  if not kind or fused.off or m._hooks then return nil end
  return kind
end
fused.kind_of = kind_of

-- Whoever reads a value takes it: what only this file holds is let go, the graph has its own count.
local function take(v)
  if v.x == nil then error("a lazy value was used twice; make it a tensor with fused.value first", 3) end
  local x, moments = v.x, v.moments
  v.x, v.moments = nil, nil
  return x, moments
end

local function let_go(v, x, moments)
  if v.own then x:release() end
  if moments then moments:release() end
end

-- The norm's part of a row's arguments.
local function norm_of(v)
  local n = v.norm
  if not n then return nil, nil, nil, nil end
  return n.running_mean, n.running_var, n.weight, n.bias
end

local function options(v)
  local by = v.by
  if not by then return { norm = false, act = v.act } end
  return { training = by.training, momentum = v.momentum, eps = by.eps, act = v.act }
end

local function normed(v, residual)
  local x, moments = take(v)
  local mean, var, weight, bias = norm_of(v)
  local known = v.by and v.by.training and moments or nil
  local y = core.norm_act(x, known, mean, var, weight, bias, v.slope, residual, options(v))
  let_go(v, x, moments)
  return y
end

---@param x rille.Tensor
---@return rille.Tensor
function fused.rectified(x) return (fused.relu or core.relu)(x) end

local function activated(v)
  local x, moments = take(v)
  if v.act == "none" then return x end
  local y = v.act == "relu" and fused.rectified(x) or core.prelu(x, v.slope)
  let_go(v, x, moments)
  return y
end

---A lazy value as a tensor; a tensor as it is.
---@param v table|rille.Tensor
---@param residual? rille.Tensor added behind the norm, before the activation
---@return rille.Tensor
function fused.value(v, residual)
  if not is_lazy(v) then return residual and v + residual or v end
  local y
  if residual and fused.off then -- one by one
    local act, slope = v.act, v.slope
    v.act = "none"
    v = raw(fused.value(v) + residual, nil, true)
    v.act, v.slope, residual = act, slope, nil
  end
  if v.norm or residual then y = normed(v, residual) else y = activated(v) end
  if v.up ~= 1 then y = core.interpolate(y, { scale_factor = v.up, mode = "nearest" }) end
  if v.skip then y = core.cat({ v.skip, y }, { dim = 2 }) end
  return y
end

-- A value to which nothing is to be done yet.
local function untouched(v)
  if not is_lazy(v) then return raw(v) end
  return is_touched(v) and raw(fused.value(v), nil, true) or v
end

local function activate(v, act)
  if act == nil then return v end
  if act == "relu" or kind_of(act) == "relu" then
    v.act = "relu"
  elseif kind_of(act) == "prelu" then
    v.act, v.slope = "prelu", act:slope_for(v.x.dtype)
  else
    return raw(act(fused.value(v)))
  end
  return v
end

---Apply an activation.
---@param v table|rille.Tensor
---@param act string|rille.Module "relu", or a ReLU, PReLU or LeakyReLU
---@return table v
function fused.act(v, act)
  local plain = not is_lazy(v) or v.act ~= "none" or v.up ~= 1 or v.skip
  return activate(plain and untouched(v) or v, act)
end

---Normalise, and apply an activation.
---@param v table|rille.Tensor N x C x H x W
---@param norm rille.BatchNorm2d
---@param act? string|rille.Module "relu", or a ReLU, PReLU or LeakyReLU
---@return table v
function fused.norm(v, norm, act)
  v = untouched(v)
  local shape = v.x.shape
  if kind_of(norm) ~= "norm" or #shape ~= 4 or shape[2] ~= norm._channels then
    return activate(raw(norm((take(v)))), act)
  end
  v.norm, v.by = norm, norm:options()
  v.momentum = v.by.momentum
  return activate(v, act)
end

-- Whether a norm will ask for the moments of what a convolution writes.
local function asks_moments(norm)
  return norm ~= nil and kind_of(norm) == "norm" and (norm.training or not norm.running_mean)
end

local function convolve(m, v, want)
  local guard <close> = enter(m._segment) -- luacheck: ignore guard
  local x, moments = take(v)
  local o, call = options(v), m._call
  o.stride, o.padding, o.dilation, o.groups = call.stride, call.padding, call.dilation, call.groups
  o.up, o.want_moments = v.up, want
  local mean, var, weight, bias = norm_of(v)
  local known = v.by and v.by.training and moments or nil
  local y, its = core.norm_conv2d(x, known, mean, var, weight, bias, v.slope, v.skip, m.weight, m.bias, o)
  let_go(v, x, moments)
  return raw(y, its, true)
end

---Convolve, then normalise and apply an activation where they are given.
---@param m rille.Conv2d
---@param v table|rille.Tensor
---@param norm? rille.BatchNorm2d
---@param act? string|rille.Module "relu", or a ReLU, PReLU or LeakyReLU
---@return table v
function fused.conv(m, v, norm, act)
  local want = asks_moments(norm)
  if not is_lazy(v) then v = raw(v) end
  if kind_of(m) ~= "conv" then
    v = raw(m(fused.value(v)))
  else
    if m._call.groups ~= 1 and (v.skip or v.up ~= 1) then v = untouched(v) end
    if want or is_touched(v) then
      v = convolve(m, v, want)
    else
      v = raw(m((take(v))), nil, true)
    end
  end
  if norm then return fused.norm(v, norm, act) end
  return activate(v, act)
end

---A fully connected layer and, where `next_m` is a ReLU, that too, in one op: the same bytes.
---@param m rille.Linear that kind_of calls "linear"
---@param x rille.Tensor
---@param next_m? rille.Module
---@return rille.Tensor y, boolean took_next
function fused.linear(m, x, next_m)
  local guard <close> = enter(m._segment) -- luacheck: ignore guard
  if next_m and not fused.relu and kind_of(next_m) == "relu" then
    return core.linear(x, m.weight, m.bias, "relu"), true
  end
  return core.linear(x, m.weight, m.bias), false
end

---Twice the size, by nearest neighbours.
---@param v table|rille.Tensor
---@return table v
function fused.up(v)
  if not is_lazy(v) then v = raw(v) end
  if v.up ~= 1 or v.skip then v = untouched(v) end
  v.up = 2
  return v
end

---Channels of `skip` in front of those of v.
---@param skip rille.Tensor
---@param v table|rille.Tensor
---@return table v
function fused.cat(skip, v)
  if not is_lazy(v) then v = raw(v) end
  if v.skip then v = untouched(v) end
  v.skip = skip
  return v
end

---Run a module that has a method lazy(v), which takes and gives values; other modules, and those with hooks,
---are called with a tensor.
---@param m rille.Module
---@param v table|rille.Tensor
---@return table|rille.Tensor v
function fused.through(m, v)
  if fused.off or m._hooks or rawget(m, "forward") or not m.lazy then return m(fused.value(v)) end
  local guard <close> = enter(m._segment) -- luacheck: ignore guard
  return m:lazy(v)
end

return fused
