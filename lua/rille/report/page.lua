-- The report of a run: one HTML file that needs nothing but a browser. No scripts, no references outside.

local gates = require "rille.report.gates"
local curves = require "rille.report.curves"
local html = require "rille.report.html"
local pictures = require "rille.report.pictures"
local plot = require "rille.plot"
local quality = require "rille.report.quality"
local read = require "rille.report.read"
local style = require "rille.report.style"
local summary = require "rille.report.summary"
local texts = require "rille.report.texts"
local trivial = require "rille.report.trivial"

local page = {}

local MOST_BYTES = 5e6 -- of the whole page; pictures get what the other sections leave

local SECTIONS = {
  { "summary", "Summary", summary.section },
  { "curves", "How training went, stage by stage", curves.section },
  { "gates", "What the gates let through", gates.section },
  { "roc", "How well each class is told apart", quality.roc },
  { "findings", "How well each finding is seen", quality.findings },
  { "confusion", "Which classes are taken for which", quality.confusion },
  { "pictures", "Pictures: best, median, worst", pictures.section },
  { "trivial", "Beside answers that need no learning", trivial.section },
  { "journal", "Changes made by hand during the run", texts.journal },
  { "source", "Options and recipe", texts.source },
  { "warnings", "Warnings", texts.warnings },
}

---Wrap a body in a whole HTML document with the report's style.
---@param title string escaped here
---@param body string[] markup
---@return string
function page.document(title, body)
  return table.concat {
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>', html.escape(title),
    "</title><style>", style, plot.css(), "</style></head><body>\n", table.concat(body, "\n"),
    "\n</body></html>\n",
  }
end

---Write a text to a file through a temporary one, so that a reader never sees half a page.
---Raises: "report: ..." when it cannot be written.
---@param file string
---@param text string
---@return string file
function page.save(file, text)
  local part = file .. ".part"
  local f, why = io.open(part, "wb")
  local ok = f and f:write(text)
  if f then ok = f:close() and ok end
  if ok then ok, why = os.rename(part, file) end
  if not ok then
    os.remove(part)
    error("report: cannot write " .. file .. ": " .. tostring(why) .. "; free space or choose a folder", 3)
  end
  return file
end

-- The pictures come last, since they may take only what the others leave.
local function render(run)
  local bodies, room = {}, MOST_BYTES - 65536
  for _, section in ipairs(SECTIONS) do
    if section[1] ~= "pictures" then
      bodies[section[1]] = section[3](run)
      room = room - #(bodies[section[1]] or "")
    end
  end
  bodies.pictures = pictures.section(run, math.max(0, room))
  return bodies
end

---Write the report of a run folder to its report.html.
---
---What the folder lacks is left out. The page is at most 5 MB: pictures that would make it larger are left
---out, and the page says how many.
---Raises: "report: ..." when there is no run in the folder, or the page cannot be written.
---@param run_dir string
---@return string path
function page.write(run_dir)
  local run = read.run(run_dir)
  local bodies, name = render(run), summary.recipe(run)
  local out, nav = { "<header><h1>" .. html.escape(html.cut(name, 200)) .. "</h1>" }, {}
  local question = summary.question(run.info.recipe_text)
  if question ~= "" then
    out[#out + 1] = (html.p(question, "question"):gsub("`([^`<]*)`", "<code>%1</code>"))
  end
  for _, section in ipairs(SECTIONS) do
    local link = string.format('<a href="#%s">%s</a>', section[1], section[2])
    if bodies[section[1]] then nav[#nav + 1] = link end
  end
  out[#out + 1] = "<nav>" .. table.concat(nav, "") .. "</nav></header>"
  for _, section in ipairs(SECTIONS) do
    local body = bodies[section[1]]
    if body then
      local head = string.format('<section id="%s"><h2>%s</h2>', section[1], section[2])
      out[#out + 1] = head .. body .. "</section>"
    end
  end
  return page.save(run_dir .. "/report.html", page.document("rille: " .. name, out))
end

return page
