-- The pictures of the run folder, inside the page as data URIs, as many as its size allows.

local base64 = require "rille.report.base64"
local html = require "rille.report.html"
local read = require "rille.report.read"

local pictures = {}

local ROLES = { best = true, median = true, worst = true }

-- Only files inside the run folder, and only what its first bytes show to be a picture.
local function load(run, name)
  if type(name) ~= "string" or name:find("^[/\\]") or name:find("^%a:") or name:find("%z") then return nil end
  for part in name:gmatch("[^/\\]+") do
    if part == ".." then return nil end
  end
  local data = read.bytes(run.dir .. "/" .. name)
  if not data then return nil end
  if data:sub(1, 8) == "\137PNG\r\n\26\n" then return data, "image/png" end
  if data:sub(1, 3) == "\255\216\255" then return data, "image/jpeg" end
end

local function panel(run, p)
  local label = html.escape(p.label or "")
  local data, kind = load(run, p.png)
  if not data then return '<div class="panel"><div class="gone">not there</div>' .. label .. "</div>" end
  local head = string.format('<div class="panel"><img alt="%s" src="data:%s;base64,', label, kind)
  return head .. base64(data) .. '"><span>' .. label .. "</span></div>"
end

local function caption(entry)
  local out = { "<strong>" .. html.escape(entry.title or entry.file or "picture") .. "</strong>" }
  if entry.label ~= nil then
    local is_right = entry.predicted == nil or entry.predicted == entry.label
    local text = "truth " .. tostring(entry.label)
    if entry.predicted ~= nil then text = text .. ", answer " .. tostring(entry.predicted) end
    if not is_right then text = text .. " ✗" end
    out[#out + 1] = string.format('<span class="%s">', is_right and "right" or "wrong")
    out[#out + 1] = html.escape(text) .. "</span>"
  end
  if entry.file and entry.title then
    out[#out + 1] = '<span class="file">' .. html.escape(entry.file) .. "</span>"
  end
  return table.concat(out, " ")
end

local function figure(run, entry)
  local panels = {}
  for _, p in ipairs(type(entry.panels) == "table" and entry.panels or {}) do
    if type(p) == "table" then panels[#panels + 1] = panel(run, p) end
  end
  if #panels == 0 then return nil end
  local role = ROLES[entry.role] and " " .. entry.role or ""
  local n = #panels <= 4 and #panels or #panels <= 6 and 3 or 4 -- in a row
  local head = string.format('<figure class="picture%s"><div class="panels n%d">', role, n)
  return head .. table.concat(panels) .. "</div><figcaption>" .. caption(entry) .. "</figcaption></figure>"
end

---The section.
---@param run table
---@param room integer bytes that the pictures may take
---@return string? nil when there are no pictures
function pictures.section(run, room)
  local out, left, total = {}, room, 0
  for _, entry in ipairs(run.pictures) do
    local text = type(entry) == "table" and figure(run, entry)
    if text then
      total = total + 1
      if #text <= left then out[#out + 1], left = text, left - #text end
    end
  end
  if total == 0 then return nil end
  local note = ""
  if #out < total then
    local form = "%d of %d pictures are shown, so that the page stays small; all are in the run's folder."
    note = html.p(form:format(#out, total), "note")
  end
  return '<div class="grid-of pictures">' .. table.concat(out) .. "</div>" .. note
end

return pictures
