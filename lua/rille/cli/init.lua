-- The program: rille COMMAND ...; returns the exit code: 0 done, 1 failed with a message, 2 wrong usage,
-- 130 interrupted with a checkpoint written.
local arguments = require "rille.cli.arguments"
local nearest = require "rille.util.check".nearest

local COMMANDS = { "run", "check", "eval", "predict", "report", "runs", "repl", "info", "data", "bench",
  "verify-resume" }

local function load_command(name)
  for _, known in ipairs(COMMANDS) do
    if known == name then return require("rille.cli." .. name:gsub("-", "_")) end
  end
end

local function overview()
  local lines = { "rille COMMAND ...    rille COMMAND --help    rille SCRIPT.lua ...", "" }
  for _, name in ipairs(COMMANDS) do
    local command = load_command(name)
    lines[#lines + 1] = ("  %-14s %s"):format(name, command.doc:match("^[^\n]*"))
  end
  return table.concat(lines, "\n")
end

local function complain(text)
  io.stderr:write("rille: ", text, "\n")
end

-- A text as people should see it: no traceback, no place in our own files.
local function message_of(why)
  return (tostring(why):gsub("%f[^%s%z][^%s]*/lua/rille/[^\n:]*:%d+: ", ""))
end

local function run_command(command, list)
  local options = arguments.read(command, list)
  if options.help then
    print(arguments.help(command))
    return 0
  end
  return command.run(options) or 0
end

local function handler(why)
  if os.getenv "RILLE_TRACEBACK" and type(why) ~= "table" then return debug.traceback(tostring(why), 2) end
  return why
end

---Run a command line.
---@param ... string
---@return integer exit code
return function(...)
  local list = { ... }
  local name = table.remove(list, 1)
  if name == nil or name == "help" or name == "--help" or name == "-h" then
    if name == "help" and list[1] then return require "rille.cli" (list[1], "--help") end
    print(overview())
    return name == nil and 2 or 0
  end
  local command = load_command(name)
  if not command then
    local near = nearest(name, COMMANDS)
    complain(('there is no command "%s"%s; see rille help'):format(name,
      near and (', did you mean "%s"?'):format(near) or ""))
    return 2
  end
  local ok, result = xpcall(run_command, handler, command, list)
  if ok then return result end
  if type(result) == "table" and result.usage then
    complain(result.usage)
    return 2
  end
  if type(result) == "table" and result.interrupted then
    complain(result.text)
    return 130
  end
  complain(message_of(result))
  return 1
end
