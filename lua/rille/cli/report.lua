-- rille report: the page of a run, or the comparison of several.
local command = { name = "report", usage = "RUN [RUN...]",
  words = { least = 1, most = math.huge, what = "a run folder" },
  doc = "write RUN/report.html; of several runs, one table that compares them", options = {
    { name = "out", value = "FILE", doc = "of several runs: the page (default compare.html)" },
    { name = "pictures", value = "PNG",
      doc = "of runs that restore images: some side by side, and where recognisers look" } } }

function command.run(o)
  if o.pictures then
    local columns = require "rille.report.beside".write({ table.unpack(o) }, o.pictures, 4)
    print(("%s: from left to right %s"):format(o.pictures, table.concat(columns, ", ")))
    return 0
  end
  if #o == 1 then
    print(require "rille.report.page".write(o[1]))
    return 0
  end
  local ok, compare = pcall(require, "rille.report.compare")
  if not ok then error("report: takes one run folder", 0) end
  print(compare.write({ table.unpack(o) }, o.out or "compare.html"))
  return 0
end

return command
