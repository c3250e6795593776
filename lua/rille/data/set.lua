-- A data set: the rows of a manifest, checked.
local core = require "rille.core"._data
local inspect = require "rille.data.inspect"
local check = require "rille.util.check"
local raise = require "rille.data.raise"

---@class rille.Set
---@field dir string
---@field classes string[] label k of a batch is classes[k]
---@field columns string[] as in the manifest's first line
---@field n integer rows
local Set = {}
Set.__index = Set

-- { NEW = { "old", "older" } } as old, NEW, older, NEW.
local function pairs_of(merge)
  if not merge then return nil end
  local list = {}
  for to, labels in pairs(merge) do
    if type(to) ~= "string" or type(labels) ~= "table" then
      error('data.open: merge is a table { NEW = { "old", "older" } } of labels that are taken as one', 4)
    end
    for _, label in ipairs(labels) do
      list[#list + 1] = label
      list[#list + 1] = to
    end
  end
  return list
end

function Set.new(dir, opts)
  local manifest = raise.at(3, core.open, dir, opts.classes or nil, opts.leave_out or nil,
    pairs_of(opts.merge))
  local info = manifest:info()
  return setmetatable({ dir = dir, manifest = manifest, classes = info.classes, columns = info.columns,
    n = info.rows, saliency = opts.saliency or nil, sigma = opts.sigma or nil,
    leaves_out = opts.leave_out and #opts.leave_out > 0 }, Set)
end

---The engine's fixations, read from fixations.csv when they are first wanted.
---
---Raises: `fixations: "DIR/fixations.csv":LINE:COLUMN: ...` for whatever is wrong.
function Set:gaze()
  self.handle = self.handle or raise.at(4, core.fixations, self.manifest)
  return self.handle
end

---Whether fixations.csv lies beside the manifest.
---@return boolean
function Set:has_fixations()
  local f = io.open(self.dir .. "/fixations.csv", "rb")
  if f then f:close() end
  return f ~= nil
end

---Where people looked at an image: in pixels of its file and seconds, in the file's order.
---@param index integer row, from 1
---@return { x: number, y: number, onset: number?, duration: number?, subject: string }[]
function Set:fixations(index) return self:gaze():of(index) end

---Weights by class for a loss, inverse to their frequency: rows / (classes * rows of the class); 0 for a
---class without rows.
---@param split? "train"|"val"|"test"
---@return number[] by position, as `classes`
function Set:class_weights(split)
  local counts, labelled, out = self:class_counts(split), 0, {}
  for k = 1, #self.classes do labelled = labelled + counts[k] end
  for k = 1, #self.classes do
    out[k] = counts[k] > 0 and labelled / (#self.classes * counts[k]) or 0
  end
  return out
end

---Number of rows of a split, or of all.
---@param split? "train"|"val"|"test"
function Set:count(split)
  local n = self.manifest:count(split)
  return n
end

---Rows per class: by position, as `classes`, and by name.
---@param split? "train"|"val"|"test"
---@return table
function Set:class_counts(split)
  local _, counts = self.manifest:count(split)
  for k, name in ipairs(self.classes) do counts[name] = counts[k] end
  return counts
end

---One row as the manifest has it, texts by column, and its class's position (nil without a label).
---@param index integer from 1; batch.index holds these
function Set:row(index) return self.manifest:row(index) end

---What may spoil a run, and what there is. Quick by default: names, headers and lengths, nothing is decoded.
---Each finding's message names the file and what to do. Nothing wrong gives an empty list.
---
---Findings, by row: unreadable, size (mask or map of another size than its image), duplicate, two_labels,
---split_leak (one picture twice; under two labels; in two splits), odd_size, fixations; of the set, with
---index 0: empty_split, missing_class, no_group, fixations; only in depth: constant, empty_mask,
---empty_saliency. open() has refused missing files, groups in two splits and wrong words before.
---@param opts? { deep: boolean } deep: decode every file, and compare pictures by their pixels
---@return { kind: string, index: integer, message: string }[] findings
---@return table summary rows, splits (rows by name), counts (rows per class, by split), labelled, masks,
---  maps, groups, sizes (list of { size = "WIDTHxHEIGHT", n }, most frequent first), fixations (count,
---  subjects, images; nil without the file)
function Set:inspect(opts)
  local o = check.options("set:inspect", opts, { deep = false })
  return inspect(self, o.deep)
end

function Set:__len() return self.n end

function Set:__tostring()
  return ("data set %s: %d rows (train %d, val %d, test %d), classes %s"):format(self.dir, self.n,
    self:count "train", self:count "val", self:count "test", table.concat(self.classes, ", "))
end

return Set
