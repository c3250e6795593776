-- State dicts: parameters and buffers by name, out of a model and into one; freezing by name.

local core = require "rille.core"
local check = require "rille.util.check"
local match = require "rille.util.match"

local function some(names)
  table.sort(names)
  local shown = table.concat(names, ", ", 1, math.min(5, #names))
  return #names > 5 and ("%s and %d more"):format(shown, #names - 5) or shown
end

local function same_shape(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

return function(Module)
  ---@return table<string, rille.Tensor> state live tensors by name, as files name them; parameters
  ---  and buffers
  function Module:state_dict()
    local state = {}
    for _, s in ipairs(self:named_state()) do state[s.name] = s.tensor end
    return state
  end

  -- Modules may rewrite older names: module:adapt_state(state, prefix, report) edits the copied table.
  local function adapted(self, given, report)
    local state = {}
    for name, t in pairs(given) do state[name] = t end
    for _, m in ipairs(self:named_modules()) do
      if m.module.adapt_state then
        m.module:adapt_state(state, m.name == "" and "" or m.name .. ".", report)
      end
    end
    return state
  end

  -- Pairs up names: fills the report, returns what to copy.
  local function pair_up(self, state, report)
    local copies, used, covered, absent = {}, {}, {}, {}
    for _, s in ipairs(self:named_state()) do
      local from = state[s.name]
      if from == nil then
        absent[#absent + 1] = s
      else
        used[s.name], covered[s.tensor] = true, true
        if same_shape(from.shape, s.tensor.shape) then
          copies[#copies + 1] = { s.tensor, from }
        else
          report.mismatched[#report.mismatched + 1] = ("%s (given %s, model %s)"):format(
            s.name, check.shape_text(from), check.shape_text(s.tensor))
        end
      end
    end
    for _, s in ipairs(absent) do -- a shared tensor may be stored under one of its names
      if not covered[s.tensor] and not report.excused[s.name] then
        report.missing[#report.missing + 1] = s.name
      end
    end
    for name in pairs(state) do
      if not used[name] then report.unexpected[#report.unexpected + 1] = name end
    end
    return copies
  end

  local function refuse(report, strict, skip_mismatched)
    local faults = {}
    if strict and #report.missing > 0 then faults[#faults + 1] = "missing: " .. some(report.missing) end
    if strict and #report.unexpected > 0 then
      faults[#faults + 1] = "unexpected: " .. some(report.unexpected)
    end
    if not skip_mismatched and #report.mismatched > 0 then
      faults[#faults + 1] = "other shape: " .. some(report.mismatched)
    end
    if #faults > 0 then
      local cure = (#report.missing > 0 or #report.unexpected > 0) and strict
        and "; { strict = false } loads what fits by name"
          or "; { skip_mismatched = true } leaves those as they are"
      error("load_state_dict: " .. table.concat(faults, "; ") .. cure, 3)
    end
  end

  ---Copy tensors into the model by name. Nothing is written unless everything fits.
  ---Raises: "load_state_dict: ..." naming what is missing, unexpected or of another shape.
  ---@param given table<string, rille.Tensor> as from state_dict or a safetensors file
  ---@param opts? { strict: boolean, skip_mismatched: boolean } default true, false
  ---@return table report { loaded = count, missing, unexpected, mismatched = names, skipped = messages }
  function Module:load_state_dict(given, opts)
    local o = check.options("load_state_dict", opts, { strict = true, skip_mismatched = false })
    if type(given) ~= "table" then error("load_state_dict: takes a table of tensors by name", 2) end
    local report = { loaded = 0, missing = {}, unexpected = {}, mismatched = {}, skipped = {}, excused = {} }
    local copies = pair_up(self, adapted(self, given, report), report)
    refuse(report, o.strict, o.skip_mismatched)
    core.no_grad(function()
      for _, c in ipairs(copies) do c[1]:copy_(c[2]) end
    end)
    report.loaded, report.excused = #copies, nil
    return report
  end

  local function set_trained(self, who, pattern, on)
    local accepts, n, names = match.compile(pattern or "*"), 0, {}
    for _, p in ipairs(self:named_parameters()) do
      names[#names + 1] = p.name
      if accepts(p.name) then
        p.tensor.requires_grad = on
        n = n + 1
      end
    end
    if n == 0 then
      local near = check.nearest(pattern or "*", names) or names[1]
      error(('%s: no parameter matches "%s"%s'):format(who, tostring(pattern),
        near and ('; one is called "%s"'):format(near) or "; the module has no parameters"), 3)
    end
    return n
  end

  ---Stop training the parameters whose names match: words that names begin with, or globs ("*.bias").
  ---Batch-norm statistics still move in training mode: see train_unfrozen.
  ---@param pattern? string default all
  ---@return integer count of tensors
  function Module:freeze(pattern) return set_trained(self, "freeze", pattern, false) end

  ---@param pattern? string default all
  ---@return integer count of tensors
  function Module:unfreeze(pattern) return set_trained(self, "unfreeze", pattern, true) end
end
