-- What must hold for every op, tried on one case (a row, a sample, a layout). Each check raises what is
-- wrong.
local rl = require "rille"
local gradcheck = require "rille.testing.gradcheck"

local checks = {}

local function is_float(y) return y.dtype == "f64" or y.dtype == "f32" end

local function outputs(case, bases, how)
  local state = rl.random_state()
  local out = table.pack(case:call(bases, how))
  rl.random_state(state) -- the next call draws the same numbers
  return out
end

local function leaves(case, dtype)
  local out = {}
  for i, x in ipairs(case.bases) do
    out[i] = (dtype and x:to(dtype) or x):clone()
    if not case.fixed[i] then out[i]:requires_grad_() end
  end
  return out
end

local function wanted(case, bases)
  local out = {}
  for i, x in ipairs(bases) do
    if not case.fixed[i] then out[#out + 1] = x end
  end
  return out
end

local function loss_of(out)
  local total
  for o = 1, out.n do
    if is_float(out[o]) and out[o].requires_grad then
      local weight = rl.arange(out[o]:numel()):to(out[o].dtype):reshape(out[o].shape):sin()
      local part = (out[o] * weight):sum():double()
      total = total and total + part or part
    end
  end
  return total
end

local function close(want, got, tolerance, what)
  if want.n ~= got.n then error(("%s: %d outputs, not %d"):format(what, got.n, want.n), 0) end
  for o = 1, want.n do
    local a, b = want[o], got[o]
    if table.concat(a.shape, "x") ~= table.concat(b.shape, "x") then
      error(("%s: output %d is %s, not %s"):format(what, o, table.concat(b.shape, "x"), table.concat(a.shape,
        "x")), 0)
    end
    if not is_float(a) then
      if not a:equal(b) then error(("%s: output %d differs"):format(what, o), 0) end
    elseif a:numel() > 0 then
      a, b = a:detach():double(), b:detach():double()
      local same = a:eq(b):logical_or(a:ne(a):logical_and(b:ne(b)))
      local off = ((a - b):abs() / rl.maximum(a:abs(), 1)):masked_fill(same, 0):max():item()
      local text = "%s: output %d is off by %.3g, allowed %.3g"
      if off ~= off or off > tolerance then error(text:format(what, o, off, tolerance), 0) end
    end
  end
end

local function has_gradient(case)
  return case.row.differentiable and #wanted(case, case.bases) > 0
end

local function gradients(case, how, dtype)
  if not has_gradient(case) then return { n = 0 } end
  local x = leaves(case, dtype)
  local loss = loss_of(outputs(case, x, how))
  local g = loss and rl.grad(loss, wanted(case, x)) or {}
  g.n = #g
  return g
end

local function identical(want, got, what)
  for o = 1, want.n do
    if not want[o]:equal(got[o]) then error(what .. ": the bytes differ", 0) end
  end
end

function checks.gradient(case)
  if not has_gradient(case) then return false end
  local marked, carries = outputs(case, leaves(case)), {}
  for o = 1, marked.n do
    if marked[o].requires_grad then carries[#carries + 1] = o end
  end
  if #carries == 0 then return false end
  gradcheck(function(...) -- of what carries a gradient: statistics beside it do not
    local all, some = { case:call { ... } }, {}
    for i, o in ipairs(carries) do some[i] = all[o] end
    return table.unpack(some)
  end, case.bases, { fixed = case.fixed })
end

function checks.f32_near_f64(case)
  if #case.bases == 0 then return false end
  local want, single = outputs(case, case.bases), {}
  for i, x in ipairs(case.bases) do single[i] = x:to "f32" end
  close(want, outputs(case, single), 1e-4, "f32 against f64") -- some hundred roundings of 6e-8
  close(gradients(case), gradients(case, nil, "f32"), 1e-4, "f32 gradient")
end

function checks.view_equals_copy(case)
  if #case.bases == 0 then return false end
  close(outputs(case, case.bases, { copy = true }), outputs(case, case.bases), 1e-12, "view against copy")
  close(gradients(case, { copy = true }), gradients(case), 1e-12, "gradient of view against copy")
end

function checks.threads(case)
  local was = rl.threads()
  rl.threads(1)
  local want, g = outputs(case, case.bases), gradients(case)
  for n = 2, 4 do
    rl.threads(n)
    identical(want, outputs(case, case.bases), n .. " threads")
    identical(g, gradients(case), n .. " threads, gradient")
  end
  rl.threads(was)
end

function checks.instruction_sets(case)
  if #case.bases == 0 then return false end
  local was, single = rl.isa(), {}
  for i, x in ipairs(case.bases) do single[i] = x:to "f32" end
  rl.isa_use "scalar"
  local want, g = outputs(case, single), gradients(case, nil, "f32")
  for _, isa in ipairs { "avx2", "avx512" } do
    if rl.isa_use(isa) then
      close(want, outputs(case, single), 1e-5, isa .. " against scalar")
      close(g, gradients(case, nil, "f32"), 1e-5, isa .. " against scalar, gradient")
    end
  end
  rl.isa_use(was)
end

function checks.plain_twin(case)
  if not case.row.plain then return false end
  local twin = assert(load("local rl = ...; return " .. case.row.plain))(rl)
  close(outputs(case, case.bases, { call = twin }), outputs(case, case.bases), 1e-10,
    "against the plain form")
  close(gradients(case, { call = twin }), gradients(case), 1e-9, "gradient against the plain form")
end

---Two calls on the same leaves: the second one's backward adds to what the first wrote.
function checks.adds_up(case)
  if not has_gradient(case) then return false end
  local x = leaves(case)
  local loss = loss_of(outputs(case, x))
  if not loss then return false end
  local once = rl.grad(loss, wanted(case, x), { retain = true })
  local both = rl.grad(loss + loss_of(outputs(case, x)), wanted(case, x), { retain = true })
  local doubled = { n = #once }
  for i, g in ipairs(once) do doubled[i] = g * 2 end
  both.n = #both
  close(doubled, both, 1e-12, "gradient of two calls")
  loss:backward { retain = true }
  loss:backward()
  for i, leaf in ipairs(wanted(case, x)) do both[i] = leaf.grad or rl.zeros(leaf.shape, { dtype = "f64" }) end
  close(doubled, both, 1e-12, "gradient of two walks")
  local ok, message = pcall(loss.backward, loss)
  if ok or not message:find "walked back already" then error("a second walk without retain went through",
    0) end
end

---One tensor as two inputs: both contributions arrive.
function checks.same_tensor_twice(case)
  local a, b = case.bases[1], case.bases[2]
  local alike = b and not case.fixed[1] and not case.fixed[2] and #a.shape == #b.shape
  for d = 1, alike and #a.shape or 0 do alike = alike and a.shape[d] == b.shape[d] end
  if not has_gradient(case) or not alike then return false end
  local apart = { a:clone():requires_grad_(), a:clone():requires_grad_(), table.unpack(case.bases, 3) }
  local g = rl.grad(loss_of(outputs(case, apart)), { apart[1], apart[2] })
  local x = a:clone():requires_grad_()
  local twice = rl.grad(loss_of(outputs(case, { x, x, table.unpack(case.bases, 3) })), x)
  close({ n = 1, g[1] + g[2] }, { n = 1, twice }, 1e-12, "one tensor as two inputs")
end

---Gradients that arrive with unusual strides: transposed, and one number stretched.
function checks.strided_seed(case)
  if not has_gradient(case) then return false end
  local x = leaves(case)
  local out = outputs(case, x)
  local y = out[1]
  if not y.requires_grad or #y.shape == 0 then return false end
  local order = {}
  for d = 1, #y.shape do order[d] = #y.shape + 1 - d end
  local weight = rl.arange(y:numel()):to(y.dtype):reshape(y.shape):sin()
  local turned = weight:permute(order):contiguous():permute(order)
  local one = rl.full({}, 0.5, { dtype = y.dtype }):expand(y.shape)
  for _, pair in ipairs { { weight, turned }, { one:contiguous(), one } } do
    local want = rl.grad(y, wanted(case, x), { retain = true, seed = pair[1] })
    local got = rl.grad(y, wanted(case, x), { retain = true, seed = pair[2] })
    want.n, got.n = #want, #got
    close(want, got, 1e-12, "a strided gradient")
  end
end

---What is changed after the forward pass either was not needed, or is noticed.
function checks.changed_in_place(case)
  if not has_gradient(case) then return false end
  local function attempt(change)
    local x = leaves(case)
    local out = outputs(case, x)
    local loss = loss_of(out)
    if not loss then return end
    local want = rl.grad(loss, wanted(case, x), { retain = true })
    change(x, out)
    local ok, got = pcall(rl.grad, loss, wanted(case, x))
    if ok then
      want.n, got.n = #want, #got
      close(want, got, 1e-12, "changed in place without notice")
    elseif not tostring(got):find "changed in place" then
      error(got, 0)
    end
  end
  for i in ipairs(case.bases) do attempt(function(x) x[i]:detach():fill_(3.7) end) end
  attempt(function(_, out)
    for o = 1, out.n do
      if is_float(out[o]) and not pcall(function() out[o]:detach():fill_(3.7) end) then return end
    end
  end)
end

---An in-place row changes its first input and its version, and leaves graphs alone.
function checks.in_place(case)
  if case.row.class ~= "inplace" then return false end
  local x, version, others
  local y = case:call(case.bases, { call = function(first, ...)
    x, version, others = first, first.version, table.pack(...)
    return case.row.call(first, ...)
  end })
  if not y:equal(x) or x.version <= version then error("the input and its version must change", 0) end
  local leaf = rl.ones(x.shape, { dtype = "f64", requires_grad = true })
  local ok, message = pcall(case.row.call, leaf, table.unpack(others, 1, others.n))
  if ok or not message:find "cannot be changed in place" then error("a leaf was changed in place", 0) end
end

return checks
