-- What optimisers share: the list of parameters with their names and groups, the state per tensor, saving
-- it exactly.

local core = require "rille.core"
local check = require "rille.util.check"
local class = require "rille.util.class"
local match = require "rille.util.match"

---@class rille.Optimiser
---@field lr number read anew at each step
---@field keeps_nothing? boolean of the gradients it is given, behind a step: a run may let them go
---@field names string[] of the parameters, for state_dict and groups; set them before the first step
local Optimiser = class.new("Optimiser")

local function take_params(who, params)
  local list, names, seen = {}, {}, {}
  if type(params) ~= "table" or params[1] == nil then
    error(who .. ": takes a list of parameters, as from module:parameters(); this one is empty", 4)
  end
  for i, p in ipairs(params) do
    local t, name = p, tostring(i)
    if type(p) == "table" then t, name = p.tensor, p.name end
    if not core.is_tensor(t) or not t.is_leaf then
      error(("%s: parameter %d is no tensor that can be trained"):format(who, i), 4)
    end
    if seen[t] then error(("%s: parameter %d is the same tensor as %d"):format(who, i, seen[t]), 4) end
    list[i], names[i], seen[t] = t, name, i
  end
  return list, names
end

local group_options = { match = check.none, lr_scale = 1, weight_decay = check.none }

local function take_groups(who, groups)
  local list = {}
  for i, g in ipairs(groups or {}) do
    local o = check.options(who .. ": groups", g, group_options)
    if not o.match then
      error(("%s: group %d has no match, the pattern of its parameters' names"):format(who, i), 4)
    end
    o.accepts = match.compile(o.match)
    list[i] = o
  end
  return list
end

---@param who string
---@param params rille.Tensor[]|{ name: string, tensor: rille.Tensor }[]
---@param options table checked; lr, weight_decay, groups
function Optimiser:start(who, params, options)
  self.params, self.names = take_params(who, params)
  self.lr = check.number(who, "lr", options.lr, 0)
  self.weight_decay = check.number(who, "weight_decay", options.weight_decay, 0)
  self.groups = take_groups(who, options.groups)
  self.who, self.steps = who, 0
  self.missed, self.state = {}, {} -- steps that a parameter took no part in; its moments
  for i = 1, #self.params do self.missed[i], self.state[i] = 0, {} end
end

-- The first group whose pattern takes the name; 0: none.
local function group_of(self, name)
  for n, g in ipairs(self.groups) do
    if g.accepts(name) then return n end
  end
  return 0
end

-- The tensors `moment` of the parameters at `places`, made as zeros before their first step.
local function moments_of(self, moment, places)
  local list = {}
  for n, i in ipairs(places) do
    local s, p = self.state[i], self.params[i]
    s[moment] = s[moment] or core.zeros(p.shape, { dtype = p.dtype })
    list[n] = s[moment]
  end
  return list
end

-- Parameters that share all numbers of a step, for one C call: { places, params, missed, lr_scale,
-- numbers = { weight_decay, ... }, and the moments by name }.
local function bundles_of(self, places)
  local bundles, by_key = {}, {}
  for _, i in ipairs(places) do
    local group = group_of(self, self.names[i])
    local key = self.missed[i] * (#self.groups + 1) + group
    local b = by_key[key]
    if not b then
      local g = self.groups[group] or {}
      b = { places = {}, params = {}, missed = self.missed[i], lr_scale = g.lr_scale or 1,
        numbers = { weight_decay = g.weight_decay or self.weight_decay } }
      by_key[key], bundles[#bundles + 1] = b, b
    end
    b.places[#b.places + 1], b.params[#b.params + 1] = i, self.params[i]
  end
  for _, b in ipairs(bundles) do
    for _, moment in ipairs(self.moments) do b[moment] = moments_of(self, moment, b.places) end
    self:describe(b.numbers)
  end
  return bundles
end

-- The bundles of a step in which every parameter takes part: kept until names or state are set anew.
local function all_bundles(self)
  if self.planned ~= self.names then
    local places = {}
    for i = 1, #self.params do places[i] = i end
    self.plan, self.planned = bundles_of(self, places), self.names
  end
  return self.plan
end

-- From .grad: the bundles of the parameters that have one, the gradients by place, the places without one.
local function read_grads(self)
  local grads, places, left_out = {}, {}, {}
  for i, p in ipairs(self.params) do
    local g = p.grad
    grads[i] = g or false
    if g then places[#places + 1] = i else left_out[#left_out + 1] = i end
  end
  if #left_out == 0 then return all_bundles(self), grads, left_out end
  self.planned = nil
  return bundles_of(self, places), grads, left_out
end

local NONE = {}

local function picked(list, places)
  local out = {}
  for n, i in ipairs(places) do out[n] = list[i] end
  return out
end

local function is_finite(v) return v - v == 0 end

-- One call moves a bundle; `clip` may only be given where it is the only one.
local function move(self, b, grads, scale, clip)
  local o = b.numbers
  o.lr, o.step, o.scale, o.clip = self.lr * b.lr_scale, self.steps - b.missed + 1, scale, clip
  return self:move(b, #b.places == #grads and grads or picked(grads, b.places))
end

local function move_all(self, bundles, grads, clip)
  local norm, scale
  if clip then
    local present = {}
    for _, g in ipairs(grads) do present[#present + 1] = g or nil end
    norm = core.list_norm(present)
    if not is_finite(norm) then return norm end
    scale = math.min(1, clip / norm)
  end
  for _, b in ipairs(bundles) do move(self, b, grads, scale) end
  return norm
end

---Move the parameters. Without `grads` each parameter's .grad is read, and those without one stay as
---they are.
---@param grads? rille.Tensor[] one per parameter
---@param clip? number the gradients are taken as if scaled to this norm over all of them where theirs is
---  larger; math.huge only asks for the norm
---@return number? norm of the gradients, where `clip` is given; if it is not finite nothing has moved
function Optimiser:step(grads, clip)
  if grads and #grads ~= #self.params then
    error(("%s: %d gradients for %d parameters"):format(self.who, #grads, #self.params), 2)
  end
  check.number(self.who, "lr", self.lr, 0)
  local bundles, left_out = grads and all_bundles(self), NONE
  if not grads then bundles, grads, left_out = read_grads(self) end
  local norm
  if #bundles == 1 then
    norm = move(self, bundles[1], grads, nil, clip)
  else
    norm = move_all(self, bundles, grads, clip)
  end
  if not norm or is_finite(norm) then
    self.steps = self.steps + 1
    for k = 1, #left_out do self.missed[left_out[k]] = self.missed[left_out[k]] + 1 end
  end
  return norm
end

---Forget the gradients: every .grad becomes nil.
function Optimiser:zero_grad()
  for _, p in ipairs(self.params) do p.grad = nil end
end

---What a checkpoint needs, live: { tensors = { ["NAME.exp_avg"] = tensor }, numbers =
---{ lr, step, ["NAME.step"] } }. A parameter's own step stands there only where it differs from the common
---one.
---@return { tensors: table<string, rille.Tensor>, numbers: table<string, number> }
function Optimiser:state_dict()
  local tensors, numbers = {}, { lr = self.lr, step = self.steps }
  for i, s in ipairs(self.state) do
    local name = self.names[i]
    for _, moment in ipairs(self.moments) do
      if s[moment] then tensors[name .. "." .. moment] = s[moment] end
    end
    if self.missed[i] ~= 0 then numbers[name .. ".step"] = self.steps - self.missed[i] end
  end
  return { tensors = tensors, numbers = numbers }
end

local function taken(self, given, i, moment)
  local name = self.names[i] .. "." .. moment
  local t, p = given.tensors[name], self.params[i]
  if t == nil then return nil end
  if check.shape_text(t) ~= check.shape_text(p) then
    error(("%s: the state %s is %s, the parameter %s"):format(self.who, name, check.shape_text(t),
      check.shape_text(p)), 3)
  end
  return t:detach():to(p.dtype):clone()
end

---Restore what state_dict gave, exactly; parameters it does not name start afresh.
---Raises: when a shape differs or the state names a parameter that is not here.
---@param given table
function Optimiser:load_state_dict(given)
  local state, missed, known, steps = {}, {}, {}, math.tointeger(given.numbers.step)
  for i, name in ipairs(self.names) do
    known[name] = true
    state[i] = {}
    for _, moment in ipairs(self.moments) do state[i][moment] = taken(self, given, i, moment) end
    local any = state[i][self.moments[1]] ~= nil or #self.moments == 0
    missed[i] = steps - math.tointeger(given.numbers[name .. ".step"] or any and steps or 0)
  end
  for key in pairs(given.tensors) do
    local name = key:match("^(.*)%.[^.]*$")
    if not known[name] then
      check.unknown(self.who .. ": load_state_dict", "parameter", name or key, self.names, 2)
    end
  end
  self.state, self.missed, self.steps, self.planned = state, missed, steps, nil
  self.lr = given.numbers.lr or self.lr
end

function Optimiser:__tostring()
  return ("%s(%d tensors, lr %s, step %d)"):format(self.who, #self.params, self.lr, self.steps)
end

return Optimiser
