-- help(x): what an op, a class, a function or a name is. Ops are told by their rows; Lua functions and
-- classes by the comments that stand above them in their files.
local core = require "rille.core"
local nearest = require "rille.util.check".nearest

local help = {}

local function by_call()
  local out = {}
  for _, row in ipairs(core.ops) do out[row.call] = row end
  return out
end

local function input_text(input)
  local name = input.variadic and input.name .. "..." or input.name
  return input.optional and "[" .. name .. "]" or name
end

local function preset_text(p)
  if p.required then return "required" end
  if p.optional then return "may be left out" end
  if p.kind == "boolean" then return "default " .. tostring(p.preset ~= 0) end
  if p.words then
    local k = 0
    for word in p.words:gmatch("%S+") do
      if k == p.preset then return ('default "%s"'):format(word) end
      k = k + 1
    end
  end
  return ("default %.10g"):format(p.preset)
end

local function param_text(p)
  local out = { ("  %-14s %s, %s"):format(p.name, p.kind, preset_text(p)) }
  if p.lo and p.hi then
    out[#out + 1] = p.hi >= 1e300 and (", at least %.6g"):format(p.lo)
      or (", %.6g to %.6g"):format(p.lo, p.hi)
  end
  if p.words then out[#out + 1] = ", one of: " .. p.words end
  if p.doc then out[#out + 1] = "; " .. p.doc end
  return table.concat(out)
end

---What an op's row says.
---@param row table of core.ops
---@return string
function help.op(row)
  local names, lines = {}, {}
  for _, input in ipairs(row.inputs) do names[#names + 1] = input_text(input) end
  if #row.params > 0 then names[#names + 1] = "{ options }" end
  lines[1] = ("rl.%s(%s)"):format(row.name, table.concat(names, ", "))
  if row.is_method then
    lines[1] = lines[1] .. (", also %s:%s(...)"):format(row.inputs[1] and row.inputs[1].name or "x", row.name)
  end
  lines[2] = "  " .. row.doc
  for _, p in ipairs(row.params) do lines[#lines + 1] = param_text(p) end
  if row.no_gradient then lines[#lines + 1] = "  no gradient: " .. row.no_gradient end
  if row.class == "inplace" then lines[#lines + 1] = "  changes its first input" end
  if row.class == "view" then lines[#lines + 1] = "  shares memory with its input where it can" end
  return table.concat(lines, "\n")
end

local function source_lines(file)
  local f = io.open(file, "rb")
  if not f then return nil end
  local lines = {}
  for line in f:lines() do lines[#lines + 1] = line end
  f:close()
  return lines
end

-- The comment block that ends just above `at`; LuaCATS marks become plain words.
local function comment_above(lines, at)
  local first = at
  while first > 1 and lines[first - 1]:match("^%s*%-%-") do first = first - 1 end
  local out = {}
  for i = first, at - 1 do
    local text = lines[i]:gsub("^%s*%-%-%-?%s?", "")
    text = text:gsub("^@param%s+", "  takes "):gsub("^@return%s+", "  gives ")
    if not text:match("^@") then out[#out + 1] = text end
  end
  return #out > 0 and table.concat(out, "\n") or nil
end

local function file_head(lines)
  local out = {}
  for _, line in ipairs(lines) do
    local text = line:match("^%-%-%-?%s?(.*)$")
    if not text then break end
    out[#out + 1] = text
  end
  return #out > 0 and table.concat(out, "\n") or nil
end

local function function_text(f, name)
  local info = debug.getinfo(f, "S")
  if info.what == "C" then
    return (name or "this function") .. " is part of the engine and has no row; see README.md"
  end
  local lines = source_lines(info.source:match("^@(.*)$") or "")
  if not lines then return nil end
  local head = (lines[info.linedefined] or ""):gsub("^%s*local%s+", ""):gsub("^%s*", "")
  local text = comment_above(lines, info.linedefined) or file_head(lines) or "no comment stands above it"
  return head .. "\n" .. text:gsub("^", "  "):gsub("\n", "\n  ")
end

-- The comment above the line that makes a class: local Conv2d = Module:extend("Conv2d").
local function class_comment(lines, class_name)
  for i, line in ipairs(lines) do
    if line:find('("' .. class_name .. '"', 1, true) and line:match("^local %w+ = ") then
      return comment_above(lines, i)
    end
  end
end

-- A class or part: its own comment, or its file's head; below it its maker and the functions that it has.
local function table_text(t, name)
  local maker, names = nil, {}
  local meta = getmetatable(t)
  for _, key in ipairs { "__init", "init", "new", "forward" } do
    local f = rawget(t, key)
    if type(f) == "function" then maker = maker or f end
  end
  if not maker and type(meta) == "table" and type(meta.__call) == "function"
    and debug.getinfo(meta.__call, "S").what ~= "C" then
    maker = meta.__call
  end
  for key, v in next, t do
    if type(key) == "string" and not key:match("^_") and (type(v) == "function" or type(v) == "table") then
      names[#names + 1] = key
      if not maker and type(v) == "function" and debug.getinfo(v, "S").what ~= "C" then maker = v end
    end
  end
  table.sort(names)
  local out = {}
  if maker then
    local lines = source_lines(debug.getinfo(maker, "S").source:match("^@(.*)$") or "")
    local class_name = rawget(t, "class_name")
    out[1] = lines and (type(class_name) == "string" and class_comment(lines, class_name) or file_head(lines))
    local text = function_text(maker, name)
    if text then out[#out + 1] = text end
  end
  if #names > 0 then out[#out + 1] = "has: " .. table.concat(names, ", ") end
  return #out > 0 and table.concat(out, "\n") or nil
end

local function by_name(word)
  local rl, short = require "rille", word:gsub("^rl%.", "")
  local value = rl
  for part in short:gmatch("[^.]+") do
    if type(value) ~= "table" then value = nil break end
    local ok, v = pcall(function() return value[part] end)
    value = ok and v or nil
    if value == nil then break end
  end
  if value ~= nil and value ~= rl then return help.text(value, word) end
  local found, names = {}, {}
  for _, row in ipairs(core.ops) do
    names[#names + 1] = row.name
    if row.name:find(short, 1, true) or row.doc:lower():find(short:lower(), 1, true) then
      found[#found + 1] = ("rl.%-18s %s"):format(row.name, row.doc)
    end
  end
  if #found > 0 then return table.concat(found, "\n", 1, math.min(#found, 25)) end
  local near = nearest(short, names)
  return ('nothing is called "%s"%s'):format(word, near and (', did you mean "%s"?'):format(near) or "")
end

local OVERVIEW = [[
help(rl.conv2d), help(rl.nn.Conv2d), help("pool"): what something is, or what there is about a word
rl.tensor { 1, 2 }, rl.randn({ 2, 3 }): tensors    x:sum(), x.shape, x[1]: methods, fields, positions from 1
rl.nn, rl.optim, rl.data, rl.gating, rl.metrics, rl.plot: the library    loss:backward(),
rl.grad(y, x): gradients]]

---The text for a value or a name.
---@param value any
---@param name? string
---@return string
function help.text(value, name)
  if value == nil then return OVERVIEW end
  if type(value) == "string" then return by_name(value) end
  local row = type(value) == "function" and by_call()[value]
  if row then return help.op(row) end
  if core.is_tensor(value) then return "a tensor; its methods: press Tab behind x:, or help(\"sum\")" end
  if value == core.Tensor then
    local names = {}
    for method in pairs(value.methods) do names[#names + 1] = method end
    table.sort(names)
    return "methods of tensors: " .. table.concat(names, ", ")
  end
  local text
  if type(value) == "function" then text = function_text(value, name) end
  if type(value) == "table" then
    text = table_text(value, name)
    local meta = getmetatable(value)
    if not text and type(meta) == "table" and type(meta.__index) == "table" then
      text = table_text(meta.__index, name)
    end
  end
  return text or ("a %s: %s"):format(type(value), tostring(value))
end

---What the prompt and scripts call: prints.
---@param value any
function help.print(value) print(help.text(value)) end

return help
