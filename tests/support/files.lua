-- Temporary files for specs: a folder per spec file, removed by the caller.
local files = {}

---@return string folder a fresh one
function files.folder()
  local name = os.tmpname()
  os.remove(name)
  assert(os.execute(("mkdir -p '%s'"):format(name)))
  return name
end

function files.remove(folder) os.execute(("rm -rf '%s'"):format(folder)) end

function files.write(name, bytes)
  local f = assert(io.open(name, "wb"))
  assert(f:write(bytes))
  f:close()
  return name
end

function files.read(name)
  local f = assert(io.open(name, "rb"))
  local bytes = f:read "a"
  f:close()
  return bytes
end

---The bytes with one of them replaced.
function files.patch(bytes, at, byte)
  return bytes:sub(1, at - 1) .. string.char(byte) .. bytes:sub(at + 1)
end

---load(file) gives nil and a message that holds `text`; never raises.
function files.refuses(load, file, text)
  local value, message, code = load(file)
  assert(value == nil, "a bad file was accepted")
  assert(message:find(text, 1, true), message .. "\n  does not hold: " .. text)
  assert(type(code) == "string")
end

return files
