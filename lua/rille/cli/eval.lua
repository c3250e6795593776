-- rille eval: score a run's weights on a split.
local common = require "rille.cli.common"

local command = { name = "eval", usage = "RUN [options]",
  words = { least = 1, most = 1, what = "a run folder" },
  doc = "score a run's weights on a split, beside trivial answers",
  options = { common.DATA, { name = "split", value = "NAME", doc = "train, val or test (default)" },
    { name = "out", value = "DIR",
      doc = "where metrics.json and predictions.csv go (default: only printed)" },
    { name = "json", doc = "print all figures as JSON" }, common.THREADS } }

function command.run(o)
  local evaluate, files, json = require "rille.run.evaluate", require "rille.util.files",
    require "rille.util.json"
  common.threads(o)
  local split = o.split or "test"
  if split ~= "train" and split ~= "val" and split ~= "test" then
    error({ usage = "eval: --split is train, val or test" }, 0)
  end
  local run = require "rille.run.reopen".run(o[1],
    { data = o.data, say = function(text) io.stderr:write(text, "\n") end })
  run.batch_size = run.options.batch
  if run.feed.counts[split] == 0 then
    error(('eval: "%s" has no rows in the split %s'):format(run.feed.dir, split), 0)
  end
  local rows = evaluate.rows(run, split)
  local out = require "rille.run.log".plain(evaluate.figures(run, split, rows))
  if o.out then
    files.make_folder(o.out)
    evaluate.write_csv(o.out .. "/predictions.csv", rows, run.feed.classes, run.feed.findings)
    files.write(o.out .. "/metrics.json", json.encode(out) .. "\n")
  end
  print(o.json and json.encode(out) or ("%s, %d images: %s"):format(split, out.n, evaluate.text(out)))
  return 0
end

return command
