-- The prompt: expressions are printed, statements run, input may span lines, Ctrl-C never ends the session.
local complete = require "rille.repl.complete"
local core = require "rille.core"
local files = require "rille.util.files"
local help = require "rille.repl.help"
local rl = require "rille"
local show = require "rille.repl.show"

local repl = {}

local function history_file()
  local folder = files.cache_folder()
  return pcall(files.make_folder, folder) and folder .. "/history" or nil
end

-- A local ends with its line; at a prompt the next line wants it. Locals with attributes stay what they are.
local function without_local(text)
  if text:match("^%s*local%s+[%a_][%w_]*%s*<") then return text end
  return (text:gsub("^%s*local%s+", "", 1))
end

local function is_unfinished(why) return type(why) == "string" and why:sub(-5) == "<eof>" end

---Compile what was typed: an expression, whose value is returned, or statements, whose locals become globals.
---@param text string
---@param env table
---@return function? chunk, string? why, boolean? unfinished true when more lines are needed
function repl.compile(text, env)
  text = text:gsub("^%s*=", "return ", 1)
  local chunk, first = load("return " .. text, "=prompt", "t", env)
  if chunk then return chunk end
  local why
  chunk, why = load(without_local(text), "=prompt", "t", env)
  if chunk then return chunk end
  if is_unfinished(first) or is_unfinished(why) then return nil, nil, true end
  return nil, why
end

local function say_error(out, message)
  local text = tostring(message):gsub("%f[^%s%z][^%s]*/lua/[^\n:]*rille/[^\n:]*:%d+: ", "")
  text = text:gsub("^prompt:1: ", ""):gsub("^prompt:", "line "):match("^[^\n]*")
  if text:find("interrupted", 1, true) then text = "interrupted" end
  out("error: " .. text)
end

local function print_values(out, n, ...)
  local list = { ... }
  for i = 1, n do
    local ok, text = pcall(show.value, list[i])
    out(ok and text or "(cannot be shown: " .. tostring(text) .. ")")
  end
end

-- Runs one chunk so that Ctrl-C stops it, and prints what it gives.
local function run_chunk(chunk, out)
  local result = table.pack(core.interruptible(chunk))
  core.signals_clear()
  if result[1] then
    print_values(out, result.n - 1, table.unpack(result, 2, result.n))
    return true
  end
  say_error(out, result[2])
  return false
end

-- One whole input of one or more lines; nil at the end of input, false when given up with Ctrl-C.
local function read_chunk(o)
  local text
  while true do
    core.signals_clear()
    local line = o.read(text and o.more or o.prompt)
    if line == nil then return nil end
    if line == false then return false end
    text = text and text .. "\n" .. line or line
    if not text:match("%S") then return "", nil end
    local chunk, why, unfinished = repl.compile(text, o.env)
    if chunk then return text, chunk end
    if not unfinished then return text, nil, why end
  end
end

---Globals of a prompt: those of Lua, rl, help, and what `extra` holds.
---@param extra? table
---@return table
function repl.environment(extra)
  local env = setmetatable({ rl = rl, help = help.print }, { __index = _G })
  for name, value in pairs(extra or {}) do env[name] = value end
  env._G = env
  return env
end

---Read and run until the end of input, or until `o.is_over()`.
---
---@param o table env, the globals; if wanted: prompt, more (texts), read(prompt) -> line, false or nil,
---  out(text), is_over(), on_interrupt() -> true to leave, on_chunk(text, ok) after a chunk was run
function repl.loop(o)
  local out = o.out or print
  local completer = complete.completer(o.env)
  o.read = o.read or function(prompt) return core.readline(prompt, completer) end
  o.prompt, o.more = o.prompt or "> ", o.more or ">> "
  while not (o.is_over and o.is_over()) do
    local text, chunk, why = read_chunk(o)
    if text == nil then return out("") end
    if text == false then
      if o.on_interrupt and o.on_interrupt() then return end
      out("")
    elseif text ~= "" then
      core.history("add", text)
      if not chunk then
        say_error(out, why)
      else
        local ok = run_chunk(chunk, out)
        if o.on_chunk then o.on_chunk(text, ok) end
      end
    end
  end
end

---The session of `rille repl`.
---@param extra? table globals beside rl and help
---@return integer exit code
function repl.session(extra)
  local file = history_file()
  if file then core.history("load", file) end
  if core.isatty(0) then print(("rille, %s; help() tells more, Ctrl-D leaves"):format(_VERSION)) end
  core.signals_install()
  local ok, why = pcall(repl.loop, { env = repl.environment(extra) })
  core.signals_restore()
  if file then core.history("save", file) end
  if not ok then error(why, 0) end
  return 0
end

return repl
