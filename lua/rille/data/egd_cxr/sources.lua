-- What lies in the published folders: the three tables, and the images by name, in whatever subfolder.
local lfs = require "lfs"
local walk = require "rille.data.walk"

local sources = {}

local KINDS = { png = 3, jpg = 2, jpeg = 2, dcm = 1 } -- the better one wins where an image lies twice
local TABLES = { ["master_sheet.csv"] = true, ["eye_gaze.csv"] = true, ["fixations.csv"] = true }
local STEM = 15 -- letters of a name that are compared first: some published ids are cut short

local function keep(found, path, name)
  if TABLES[name] then found.tables[name] = found.tables[name] or path end
  local stem, suffix = name:match "^(.+)%.(%w+)$"
  local rank = suffix and KINDS[suffix:lower()]
  if not rank then return end
  local old = found.images[stem]
  if old and old.rank >= rank then return end
  found.images[stem] = { path = path, rank = rank, is_dicom = rank == 1 }
  if old then return end
  local head = stem:sub(1, STEM)
  found.by_head[head] = found.by_head[head] or {}
  table.insert(found.by_head[head], stem)
end

---@param dirs string[]
---@return { tables: table<string, string>, images: table<string, table>, by_head: table<string, string[]> }
function sources.find(dirs)
  local found = { tables = {}, images = {}, by_head = {} }
  for _, dir in ipairs(dirs) do
    if lfs.attributes(dir, "mode") ~= "directory" then
      error(('egd-cxr: "%s" is no folder; name the one with master_sheet.csv and the images'):format(dir), 0)
    end
    walk(dir, function(path, name) keep(found, path, name) end)
  end
  return found
end

---The one name among those with the same first letters that begins with `id`, or that `id` begins with.
---@param by_head table<string, string[]>
---@param id string
---@return string?
function sources.complete(by_head, id)
  local found
  for _, name in ipairs(#id >= STEM and by_head[id:sub(1, STEM)] or {}) do
    if name == id then return name end
    if name:sub(1, #id) == id or id:sub(1, #name) == name then
      if found then return nil end
      found = name
    end
  end
  return found
end

---@param found table
---@param id string
---@return { path: string, is_dicom: boolean }?
function sources.image(found, id)
  return found.images[id] or found.images[sources.complete(found.by_head, id)]
end

---Names by their first letters, for `complete`.
---@param names string[]
function sources.heads(names)
  local out = {}
  for _, name in ipairs(names) do
    local head = name:sub(1, STEM)
    out[head] = out[head] or {}
    table.insert(out[head], name)
  end
  return out
end

return sources
