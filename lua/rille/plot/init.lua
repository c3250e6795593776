-- Charts as SVG text: plot.line, plot.roc, plot.heat, plot.bars, plot.confusion; plot.save writes one to a
-- file. In a page of one's own, put plot.css() once into a style element; it has the colours, light and dark.

local palette = require "rille.plot.palette"

local plot = {
  line = require "rille.plot.line",
  roc = require "rille.plot.roc",
  heat = require "rille.plot.heat",
  bars = require "rille.plot.bars",
  confusion = require "rille.plot.confusion",
  css = palette.css,
}

---Write a chart as a file that any browser or vector program opens.
---Raises: "plot.save: ..." when the text is no chart or the file cannot be written.
---@param file string
---@param svg string from one of the charts
---@return string file
function plot.save(file, svg)
  local head, body = tostring(svg):match("^(<svg )(.*)$")
  if not head then error("plot.save: no chart given; the second argument is the text of plot.line", 2) end
  local tag, inner = body:match("^([^>]*>)(.*)$")
  local f, why = io.open(file, "wb")
  if not f then error("plot.save: " .. tostring(why) .. "; give a file that can be written", 2) end
  f:write('<svg xmlns="http://www.w3.org/2000/svg" ', tag, "<style>", palette.css(), "</style>",
    '<rect class="bg" width="100%" height="100%"/>', inner, "\n")
  f:close()
  return file
end

return plot
