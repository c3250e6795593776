-- Colours, as one style sheet for all charts. Series: after Okabe and Ito 2008 (told apart with every common
-- kind of colour blindness), lighter for a dark page; dashes tell them apart in grey print. Diverging: brown
-- through neutral to blue, sequential: neutral to blue; both run in lightness too.

local palette = {}

---Levels of the diverging scale (odd: the middle is neutral) and of the sequential one.
palette.LEVELS = 21
---Series with a colour of their own; the next ones begin again with the next dash.
palette.COLOURS = 7

local LIGHT = { "#0072b2", "#d55e00", "#00855f", "#b4568e", "#a87400", "#3a9bd6", "#5f5f5f" }
local DARK = { "#56b4e9", "#ff9955", "#35c79b", "#e39ac5", "#e8b73a", "#9db8ff", "#b9b9b9" }
local DIVERGING = {
  light = { "#8c2d04", "#d8632a", "#f6b48a", "#f4f2ef", "#93c1e0", "#3a83bd", "#08467e" },
  dark = { "#ffb27d", "#e0743a", "#8a4520", "#2e3036", "#245a86", "#4496d3", "#a3d6ff" },
}
local SEQUENTIAL = {
  light = { "#f4f2ef", "#c3d9ea", "#7fb3d8", "#3a83bd", "#08467e" },
  dark = { "#2e3036", "#23486a", "#2f76ad", "#5fade4", "#b4deff" },
}
local DASHES = { "", "6 3", "2 2.5", "9 3 2 3" }

local function channels(hex)
  return tonumber(hex:sub(2, 3), 16), tonumber(hex:sub(4, 5), 16), tonumber(hex:sub(6, 7), 16)
end

local function mix(stops, t)
  local at = t * (#stops - 1)
  local i = math.min(math.floor(at), #stops - 2)
  local f = at - i
  local r1, g1, b1 = channels(stops[i + 1])
  local r2, g2, b2 = channels(stops[i + 2])
  local function lerp(a, b) return math.floor(a + (b - a) * f + 0.5) end
  return string.format("#%02x%02x%02x", lerp(r1, r2), lerp(g1, g2), lerp(b1, b2))
end

---Class of series k: its colour.
---@param k integer 1-based
---@return string
function palette.series(k) return "s" .. (k - 1) % palette.COLOURS + 1 end

---Dash pattern of series k; empty for a full line.
---@param k integer 1-based
---@return string
function palette.dash(k)
  -- 7 colours and 4 dashes: both together stay unique up to 28 series.
  return DASHES[(k - 1) % #DASHES + 1]
end

---Level of a value on a scale from lo to hi, as the number in a class name.
---@param v number
---@param lo number
---@param hi number
---@return integer 1 to LEVELS
function palette.level(v, lo, hi)
  local t = hi > lo and (v - lo) / (hi - lo) or 0.5
  return 1 + math.floor(math.max(0, math.min(1, t)) * (palette.LEVELS - 1) + 0.5)
end

local function variables(series, diverging, sequential, ink)
  local out = { ink }
  for k, colour in ipairs(series) do out[#out + 1] = string.format("--s%d:%s", k, colour) end
  for k = 1, palette.LEVELS do
    local t = (k - 1) / (palette.LEVELS - 1)
    out[#out + 1] = string.format("--d%d:%s;--q%d:%s", k, mix(diverging, t), k, mix(sequential, t))
  end
  return table.concat(out, ";")
end

local RULES = [[
.plot{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
  max-width:100%;height:auto}
.plot text{fill:var(--ink)}.plot .muted{fill:var(--muted);font-size:11px}
.plot .title{font-size:13px;font-weight:600}
.plot .end{text-anchor:end}.plot .mid{text-anchor:middle}.plot .small{font-size:11px}
.plot .grid{stroke:var(--grid);stroke-width:1;fill:none}
.plot .axis{stroke:var(--muted);stroke-width:1;fill:none}
.plot .rule{stroke:var(--muted);stroke-width:1;stroke-dasharray:4 3;fill:none}
.plot .line{fill:none;stroke:currentColor;stroke-width:1.9;stroke-linejoin:round;stroke-linecap:round}
.plot .faint{stroke-width:1;opacity:.38}.plot .dot{fill:currentColor}.plot .bar{fill:currentColor;opacity:.85}
.plot .whisker{stroke:var(--ink);stroke-width:1.4;fill:none}.plot .cells{shape-rendering:crispEdges}
.plot .on-deep{fill:var(--on-deep)}.plot .on-mid{fill:var(--on-mid)}
.plot .on-pale{fill:var(--on-pale)}.plot .bg{fill:var(--bg)}
]]

---The style sheet of all charts, light and dark; paper is always light.
---@return string css
function palette.css()
  local out = {
    ".plot{", variables(LIGHT, DIVERGING.light, SEQUENTIAL.light,
      "--ink:#1d2126;--muted:#5c6570;--grid:#e3e6ea;--bg:#fff;" ..
      "--on-deep:#fff;--on-mid:#1d2126;--on-pale:#1d2126"),
    "}\n@media screen and (prefers-color-scheme:dark){.plot{",
    variables(DARK, DIVERGING.dark, SEQUENTIAL.dark,
      "--ink:#e6e8eb;--muted:#a2abb6;--grid:#343a42;--bg:#15181c;" ..
      "--on-deep:#10141a;--on-mid:#10141a;--on-pale:#e6e8eb"),
    "}}\n", RULES,
  }
  for k = 1, palette.COLOURS do out[#out + 1] = string.format(".plot .s%d{color:var(--s%d)}", k, k) end
  for k = 1, palette.LEVELS do
    out[#out + 1] = string.format(".plot .d%d{fill:var(--d%d)}.plot .q%d{fill:var(--q%d)}", k, k, k, k)
  end
  return table.concat(out)
end

return palette
