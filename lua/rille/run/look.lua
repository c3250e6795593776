-- A glance at a data set before the first step: headers, names and lengths; nothing is decoded (about 0.1 ms
-- an image). One line per kind of finding; the first of a kind stands for all of it.
local look = {}

-- What no training can do without, unless bad files are skipped.
local STOPS = { unreadable = true }

---Findings as lines.
---
---Raises: "data: ..." for files that cannot be read, unless data.on_bad is "skip".
---@param feed table
---@return string[]
function look.over(feed)
  if feed.name == "chest phantom" then return {} end -- drawn whole
  local findings = feed.set:inspect()
  local kinds, first, n = {}, {}, {}
  for _, f in ipairs(findings) do
    if not n[f.kind] then kinds[#kinds + 1], first[f.kind], n[f.kind] = f.kind, f.message, 0 end
    n[f.kind] = n[f.kind] + 1
  end
  local lines = {}
  for k, kind in ipairs(kinds) do
    local more = n[kind] > 1 and (", and %d more of this kind"):format(n[kind] - 1) or ""
    lines[k] = ("data: %s%s"):format(first[kind], more)
    if STOPS[kind] and feed.data.on_bad ~= "skip" then
      error(lines[k] .. '; put them right, or set data.on_bad = "skip"', 0)
    end
  end
  return lines
end

return look
