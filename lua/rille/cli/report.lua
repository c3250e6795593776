-- rille report: the page of a run, or the comparison of several.
local command = { name = "report", usage = "RUN [RUN...]",
  words = { least = 1, most = math.huge, what = "a run folder" },
  doc = "write RUN/report.html; of several runs, one table that compares them", options = {
    { name = "out", value = "FILE", doc = "of several runs: the page (default compare.html)" } } }

function command.run(o)
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
