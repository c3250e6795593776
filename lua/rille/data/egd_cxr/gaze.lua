-- The published gaze: raw samples and fixations, by image, in pixels of the original DICOM image.
-- Source: Karargyris et al., Scientific Data 8:92, 2021, table 2 and the authors' code.
local sources = require "rille.data.egd_cxr.sources"
local tables = require "rille.data.tables"

local gaze = {}

local WHO = "egd-cxr"
local SCREEN_WIDTH, SCREEN_HEIGHT = 1920, 1080 -- of the experiment; FPOGX and FPOGY are fractions of it

local COLUMNS = {
  id = { "DICOM_ID", "DICOM-ID", "IMAGE", "MEDIA_NAME" },
  x = { "X_ORIGINAL", "X" }, y = { "Y_ORIGINAL", "Y" },
  screen_x = { "FPOGX", optional = true }, screen_y = { "FPOGY", optional = true },
}
local TIMES = { onset = { "FPOGS", "onset", "onset_s" }, duration = { "FPOGD", "duration", "duration_s" },
  valid = { "FPOGV", optional = true } }

local function with(a, b)
  local out = {}
  for key, v in pairs(a) do out[key] = v end
  for key, v in pairs(b) do out[key] = v end
  return out
end

-- An id as the master sheet has it; ids of the calibration pictures are not there.
local function resolver(cases)
  local names = {}
  for id in pairs(cases) do names[#names + 1] = id end
  local heads, known = sources.heads(names), {}
  return function(id)
    local name = known[id]
    if name == nil then
      name = cases[id] and id or sources.complete(heads, id) or false
      known[id] = name
    end
    return name
  end
end

-- How many pixels of the original the shown picture's whole width (height) is, from one point of it.
local function note_size(list, original, screen, before, after, of)
  if not (screen and before and after) or #list >= 501 then return end
  local share = (screen * of - before) / (of - before - after)
  if share > 0.25 and share < 1 and original > 0 then list[#list + 1] = (original + 0.5) / share end
end

local function entry(of, id)
  local e = of[id] or { x = {}, y = {}, weight = {}, onset = {}, duration = {}, widths = {}, heights = {} }
  of[id] = e
  return e
end

local function finite(v) return v and v == v and v > -math.huge and v < math.huge end

---Read eye_gaze.csv or fixations.csv. Points outside the picture (negative) and not valid ones are left out.
---@param path string
---@param cases table<string, { pads: number[]? }> of the master sheet, by id
---@param o { fixations: boolean }
---@return table<string, table> by id: x, y, weight (1, or seconds), onset, duration, widths, heights
---@return integer odd rows whose numbers cannot be read
function gaze.read(path, cases, o)
  local out, odd, resolve = {}, 0, resolver(cases)
  tables.each(WHO, path, o.fixations and with(COLUMNS, TIMES) or COLUMNS, function(row, at)
    local id = resolve(row[at.id])
    if not id or at.valid and tonumber(row[at.valid]) == 0 then return end
    local x, y = tonumber(row[at.x]), tonumber(row[at.y])
    local onset, duration = 0, 1
    if o.fixations then onset, duration = tonumber(row[at.onset]), tonumber(row[at.duration]) end
    if not (finite(x) and finite(y) and finite(onset) and finite(duration)) then
      odd = odd + 1
      return
    end
    if x < 0 or y < 0 or duration <= 0 then return end
    local e = entry(out, id)
    local n = #e.x + 1
    e.x[n], e.y[n], e.weight[n] = x, y, duration
    if o.fixations then e.onset[n], e.duration[n] = onset, duration end
    local pads = cases[id].pads
    if pads and at.screen_x and at.screen_y then
      note_size(e.widths, x, tonumber(row[at.screen_x]), pads.left, pads.right, SCREEN_WIDTH)
      note_size(e.heights, y, tonumber(row[at.screen_y]), pads.top, pads.bottom, SCREEN_HEIGHT)
    end
  end)
  return out, odd
end

local function median(list)
  if #list < 3 then return nil end
  table.sort(list)
  return list[(#list + 1) // 2]
end

---The original's size as the gaze tells it, where the screen's coordinates are there too; a size within 1 %
---of the file's is the file's.
---@return number width, number height, boolean known
function gaze.full_size(e, width, height)
  local w, h = median(e.widths), median(e.heights)
  if not (w and h) then return width, height, false end
  if math.abs(w / width - 1) < 0.01 and math.abs(h / height - 1) < 0.01 then return width, height, true end
  return w, h, true
end

return gaze
