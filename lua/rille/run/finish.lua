-- The end of a run: final weights, scores on the test split, pictures, the report.
local checkpoint = require "rille.run.checkpoint"
local core = require "rille.core"
local evaluate = require "rille.run.evaluate"
local files = require "rille.util.files"
local json = require "rille.util.json"
local Log = require "rille.run.log"
local pictures = require "rille.run.pictures"
local requests = require "rille.run.requests"

local finish = {}

local function write_report(run)
  local ok, why = pcall(function() return require "rille.report.page".write(run.dir) end)
  if not ok then run.log:warn("the report could not be written: " .. tostring(why)) end
end

-- Figures of the split that is there, with predictions.csv and pictures.
local function score(run)
  local split = run.feed.counts.test > 0 and "test" or run.feed.counts.val > 0 and "val" or nil
  local report = run.recipe.table.report
  if not (split and report and next(report)) then return { metrics = {} } end
  run.progress:say(("scoring %d images of the split %s"):format(run.feed.counts[split], split))
  local rows = evaluate.rows(run, split)
  evaluate.write_csv(run.dir .. "/predictions.csv", rows, run.feed.classes, run.feed.findings)
  local out = evaluate.figures(run, split, rows)
  pictures.write(run, split, rows, evaluate.forward(run))
  return out
end

-- Scoring that Ctrl-C leaves between two batches: the weights are written already.
local function scored(run)
  core.signals_install()
  core.signals_clear()
  local ok, out = pcall(score, run)
  core.signals_restore()
  core.signals_clear()
  if ok then return out end
  if out ~= requests.ASKED then error(out, 0) end
  error({ interrupted = true,
    text = ("interrupted while scoring; the weights are whole, go on with --resume %s")
    :format(run.dir) }, 0)
end

---Write a run's results into its folder. The weights file holds weights and classes only: no times, no paths.
---
---Raises: { interrupted = true, text } on Ctrl-C.
---@param run table
---@return table? figures nil without a test split
function finish.run(run)
  local path = run.dir .. "/weights.safetensors"
  local ok, why = checkpoint.save_weights(path, run.models, { classes = json.encode(run.feed.classes) })
  if not ok then error(why .. "; free space and resume", 0) end
  run.batch_size = run.options.batch
  local out = scored(run)
  out.weights_crc = ("%08x"):format((core.crc32_file(path)))
  files.write(run.dir .. "/metrics.json", json.encode(Log.plain(out)) .. "\n")
  ok, why = run.log:sync()
  if not ok then error(why .. "; free space and resume", 0) end
  write_report(run)
  run.progress:say(("done: %s%s"):format(run.dir, next(out.metrics) and ", " .. evaluate.text(out) or ""))
  if run.log.warnings > 0 then
    run.progress:say(("%d warnings are in %s/log.jsonl"):format(run.log.warnings, run.dir))
  end
  return out
end

return finish
