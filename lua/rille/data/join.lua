-- Two data-set folders as one: images are copied, what tells patients apart keeps the name of its set.
local core = require "rille.core"
local files = require "rille.util.files"

local PATHS = { "file", "mask", "saliency" } -- columns that name files

local function fail(format, ...) error("join: " .. format:format(...), 0) end

local function copy(from, to)
  local bytes, why = files.read(from)
  if not bytes then fail("%s", why) end
  files.make_folder(files.folder(to))
  files.write(to, bytes)
end

-- Rows of a set as the joined folder has them, added to `rows`.
local function take(set, name, dir, rows)
  for i = 1, set.n do
    local row, out = set:row(i), {}
    for _, column in ipairs(set.columns) do out[column] = row[column] end
    for _, column in ipairs(PATHS) do
      if out[column] and out[column] ~= "" then
        copy(set.dir .. "/" .. out[column], ("%s/%s/%s"):format(dir, name, out[column]))
        out[column] = name .. "/" .. out[column]
      end
    end
    if out.group and out.group ~= "" then out.group = name .. "/" .. out.group end
    rows[#rows + 1] = out
  end
end

---@param sets rille.Set[]
---@param dir string
---@param say fun(text: string)
return function(sets, dir, say)
  if files.kind(dir .. "/manifest.csv") then
    fail('"%s" holds a data set already; name another folder', dir)
  end
  local rows, columns, names = {}, {}, {}
  for _, set in ipairs(sets) do
    local name = set.dir:gsub("/+$", ""):match "[^/]+$"
    if name == "." or name == ".." then fail('"%s" has no name; write out the folder\'s', set.dir) end
    if names[name] then fail('both folders are called "%s"; rename one', name) end
    names[name] = true
    if set:has_fixations() then say(("join: the fixations of %s are left behind"):format(name)) end
    for _, column in ipairs(set.columns) do
      if not columns[column] then
        columns[column], columns[#columns + 1] = true, column
      end
    end
    take(set, name, dir, rows)
  end
  local ok, why = core.io.write_csv(dir .. "/manifest.csv", rows, columns)
  if not ok then fail("%s", why) end
end
