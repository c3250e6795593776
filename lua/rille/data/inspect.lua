-- What may spoil a run, told before it: quickly from headers and names, or in depth with every file decoded.
local core = require "rille.core"
local files = require "rille.util.files"
local lfs = require "lfs"
local raise = require "rille.data.raise"

local SPLITS = { "train", "val", "test" }
local KINDS = { mask = "mask", saliency = "saliency map" }

local Look = {}
Look.__index = Look

local function new(set)
  return setmetatable({ set = set, findings = {}, widths = {}, heights = {}, sides = {}, sizes = {},
    first = {}, rows = {} }, Look)
end

function Look:add(kind, index, format, ...)
  self.findings[#self.findings + 1] = { kind = kind, index = index, message = format:format(...) }
end

function Look:row(i)
  self.rows[i] = self.rows[i] or self.set:row(i)
  return self.rows[i]
end

-- The same picture in one split is a duplicate; worse across splits, or under two labels.
function Look:compare(i, j)
  local a, b = self:row(i), self:row(j)
  local kind, text = "duplicate", "is the same picture as %s; remove one"
  if (a.label or "") ~= (b.label or "") then
    kind = "two_labels"
    text = 'is labelled "' .. b.label .. '", but the same picture %s "' .. a.label .. '"; correct one label'
  elseif (a.split or "") ~= (b.split or "") then
    kind = "split_leak"
    text = 'is in split "' .. b.split .. '", but the same picture %s in "' .. a.split
      .. '"; put both in one split, or remove one'
  end
  self:add(kind, j, "%s " .. text, b.file, a.file)
end

function Look:note_size(i, width, height)
  local text = width .. "x" .. height
  self.widths[i], self.heights[i], self.sides[i] = width, height, math.max(width, height)
  self.sizes[text] = (self.sizes[text] or 0) + 1
end

---- Quickly

function Look:path(file) return self.set.dir .. "/" .. file end

function Look:glance(i)
  local row = self:row(i)
  local width, height = core._data.image_size(self:path(row.file))
  if not width then
    self:add("unreadable", i, "%s", height)
    return
  end
  self:note_size(i, width, height)
  for column, kind in pairs(KINDS) do
    local file = row[column]
    if file and file ~= "" then
      local w, h = core._data.image_size(self:path(file))
      if not w then
        self:add("unreadable", i, "%s", h)
      elseif w ~= width or h ~= height then
        self:add("size", i, 'image: "%s": this %s is %dx%d, its image %s %dx%d (width x height); scale it to '
          .. "the image's size", file, kind, w, h, row.file, width, height)
      end
    end
  end
end

-- Files of equal bytes: only those of equal length are read.
function Look:same_files()
  local by_length = {}
  for i = 1, self.set.n do
    local path = self:path(self:row(i).file)
    local length = lfs.attributes(path, "size")
    local before = length and by_length[length]
    if before then
      local text = files.read(path)
      for _, j in ipairs(before) do
        if text == files.read(self:path(self:row(j).file)) then
          self:compare(j, i)
          break
        end
      end
      before[#before + 1] = i
    elseif length then
      by_length[length] = { i }
    end
  end
end

---- In depth

function Look:decode(i)
  local look, message = self.set.manifest:inspect(i)
  local file = self:row(i).file
  if look == nil then
    self:add("unreadable", i, "%s", message)
    return
  end
  self:note_size(i, look.width, look.height)
  if look.constant then
    self:add("constant", i, "%s: all pixels are the same; replace or remove it", file)
  end
  if look.mask_empty then
    self:add("empty_mask", i, "%s: its mask is empty; leave the field empty if there is none", file)
  end
  if look.saliency_empty then
    self:add("empty_saliency", i, "%s: its saliency map is empty; leave the field empty if there is none",
      file)
  end
  if self.first[look.hash] then self:compare(self.first[look.hash], i) end
  self.first[look.hash] = self.first[look.hash] or i
end

---- Over all rows

function Look:odd_sizes()
  local all = {}
  for _, side in pairs(self.sides) do all[#all + 1] = side end
  if #all == 0 then return end
  table.sort(all)
  local usual = all[(#all + 1) // 2]
  for i = 1, self.set.n do
    local side = self.sides[i]
    if side and (side > 4 * usual or 4 * side < usual) then
      self:add("odd_size", i, "%s: its longer side has %d pixels, %d is usual; is it one of this data set?",
        self:row(i).file, side, usual)
    end
  end
end

function Look:classes()
  local set = self.set
  if set:count "train" == 0 then
    self:add("empty_split", 0,
      'no row of "%s" is in split "train"; fill the column split with train, val, test', set.dir)
    return
  end
  for _, split in ipairs(SPLITS) do
    local counts, n = set:class_counts(split), set:count(split)
    if n == 0 then
      self:add("empty_split", 0, 'no row of "%s" is in split "%s"; give it some patients', set.dir, split)
    end
    for k, name in ipairs(n > 0 and set.classes or {}) do
      if counts[k] == 0 then
        self:add("missing_class", 0, 'split "%s" has no "%s"; give it some, or leave the class out', split,
          name)
      end
    end
  end
end

function Look:groups()
  local groups, n, used = {}, 0, {}
  for i = 1, self.set.n do
    local row = self:row(i)
    if row.group and row.group ~= "" and not groups[row.group] then groups[row.group], n = true, n + 1 end
    if row.split and row.split ~= "" then used[row.split] = true end
  end
  if n == 0 and next(used, next(used)) then
    self:add("no_group", 0, '"%s/manifest.csv" names no group, so one patient may be in two splits; fill the '
      .. "column group", self.set.dir)
  end
  return n
end

function Look:fixations()
  local set = self.set
  if not set:has_fixations() then return nil end
  local ok, gaze = pcall(set.gaze, set)
  if not ok then
    self:add("fixations", 0, "%s", raise.text(gaze))
    return nil
  end
  local about, images = gaze:info(), 0
  if about.strange > 0 and not set.leaves_out then
    self:add("fixations", 0, 'fixations: "%s/fixations.csv":%d: %d rows name no image of the manifest; write '
      .. "`file` as there, or remove them", set.dir, about.strange_line, about.strange)
  end
  for i = 1, set.n do
    local width, height = self.widths[i], self.heights[i]
    local n, outside = gaze:outside(i, width or 0, height or 0)
    images = images + (n > 0 and 1 or 0)
    if width and outside > 0 then
      self:add("fixations", i, "%s: %d of its %d fixations lie outside its %dx%d pixels (width x height); x "
        .. "and y must count pixels of this file", self:row(i).file, outside, n, width, height)
    end
  end
  return { count = about.count, subjects = about.subjects, images = images }
end

function Look:summary()
  local out = { rows = self.set.n, splits = {}, counts = {}, labelled = 0, masks = 0, maps = 0, sizes = {} }
  for _, split in ipairs(SPLITS) do
    out.splits[split], out.counts[split] = self.set:count(split), self.set:class_counts(split)
  end
  for i = 1, self.set.n do
    local row = self:row(i)
    if row.label and row.label ~= "" then out.labelled = out.labelled + 1 end
    if row.mask and row.mask ~= "" then out.masks = out.masks + 1 end
    if row.saliency and row.saliency ~= "" then out.maps = out.maps + 1 end
  end
  for size, n in pairs(self.sizes) do out.sizes[#out.sizes + 1] = { size = size, n = n } end
  table.sort(out.sizes, function(a, b) return a.n > b.n or a.n == b.n and a.size < b.size end)
  return out
end

---@param set rille.Set
---@param is_deep boolean
---@return { kind: string, index: integer, message: string }[] findings, table summary
return function(set, is_deep)
  local look = new(set)
  for i = 1, set.n do
    if is_deep then look:decode(i) else look:glance(i) end
  end
  if not is_deep then look:same_files() end
  look:odd_sizes()
  look:classes()
  local groups, fixations = look:groups(), look:fixations()
  local summary = look:summary()
  summary.groups, summary.fixations = groups, fixations
  return look.findings, summary
end
