-- What optimisers share: the list of parameters with their names and groups, the state per tensor, saving
-- it exactly.

local core = require "rille.core"
local check = require "rille.util.check"
local class = require "rille.util.class"
local match = require "rille.util.match"

---@class rille.Optimiser
---@field lr number read anew at each step
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
  self.who, self.steps, self.state = who, 0, {}
  for i = 1, #self.params do self.state[i] = { step = 0 } end
end

-- The number of the first group whose pattern takes the name (0: none), twice that plus one for f64:
-- parameters of one kind share rate and decay. Worked out anew when other names have been set.
local function kinds(self)
  if self.kinds_of ~= self.names then
    self.kinds_of, self.kinds = self.names, {}
    for i, p in ipairs(self.params) do
      local group = 0
      for n = #self.groups, 1, -1 do
        if self.groups[n].accepts(self.names[i]) then group = n end
      end
      self.kinds[i] = 2 * group + (p.dtype == "f64" and 1 or 0)
    end
  end
  return self.kinds
end

local function bundle(self, step, kind)
  local g = self.groups[kind // 2] or {}
  return {
    params = {}, grads = {}, places = {}, step = step, lr = self.lr * (g.lr_scale or 1),
    weight_decay = g.weight_decay or self.weight_decay,
  }
end

-- Parameters that share all numbers of the step go into one C call.
local function sorted(self, grads)
  local bundles, by_key, of = {}, {}, kinds(self)
  local many = 2 * #self.groups + 2
  for i, p in ipairs(self.params) do
    local g
    if grads then g = grads[i] else g = p.grad end
    if g then
      local step = self.state[i].step
      local key = step * many + of[i]
      local b = by_key[key]
      if not b then
        b = bundle(self, step, of[i])
        by_key[key], bundles[#bundles + 1] = b, b
      end
      local n = #b.params + 1
      b.params[n], b.grads[n], b.places[n] = p, g, i
    end
  end
  return bundles
end

---Move the parameters. Without `grads` each parameter's .grad is read, and those without one stay as
---they are.
---@param grads? rille.Tensor[] one per parameter
function Optimiser:step(grads)
  if grads and #grads ~= #self.params then
    error(("%s: %d gradients for %d parameters"):format(self.who, #grads, #self.params), 2)
  end
  check.number(self.who, "lr", self.lr, 0)
  local bundles = sorted(self, grads)
  core.no_grad(function()
    for _, b in ipairs(bundles) do
      self:prepare_state(b)
      self:move(b)
      for _, i in ipairs(b.places) do self.state[i].step = b.step + 1 end
    end
  end)
  self.steps = self.steps + 1
end

-- The tensors `moments` of a bundle's parameters, made as zeros before their first step.
function Optimiser:prepare_state(b)
  for _, moment in ipairs(self.moments) do
    local list = {}
    for n, i in ipairs(b.places) do
      local s = self.state[i]
      s[moment] = s[moment] or core.zeros(b.params[n].shape, { dtype = b.params[n].dtype })
      list[n] = s[moment]
    end
    b[moment] = list
  end
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
    if s.step ~= self.steps then numbers[name .. ".step"] = s.step end
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
  local state, known = {}, {}
  for i, name in ipairs(self.names) do
    known[name] = true
    state[i] = { step = 0 }
    for _, moment in ipairs(self.moments) do state[i][moment] = taken(self, given, i, moment) end
    local any = state[i][self.moments[1]] ~= nil or #self.moments == 0
    state[i].step = math.tointeger(given.numbers[name .. ".step"] or any and given.numbers.step or 0)
  end
  for key in pairs(given.tensors) do
    local name = key:match("^(.*)%.[^.]*$")
    if not known[name] then
      check.unknown(self.who .. ": load_state_dict", "parameter", name or key, self.names, 2)
    end
  end
  self.state, self.steps = state, math.tointeger(given.numbers.step)
  self.lr = given.numbers.lr or self.lr
end

function Optimiser:__tostring()
  return ("%s(%d tensors, lr %s, step %d)"):format(self.who, #self.params, self.lr, self.steps)
end

return Optimiser
