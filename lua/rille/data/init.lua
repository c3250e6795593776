-- rl.data: data sets as folders with a manifest, the chest phantom, and loaders.
local core = require "rille.core"._data
local Set = require "rille.data.set"
local Loader = require "rille.data.loader"
local check = require "rille.util.check"

local data = { views = require "rille.data.views" }

---Open a data set: a folder with manifest.csv (file,label,split,mask,saliency,group; all but `file` optional)
---or with PNG and JPEG files only. Every path is checked, and that no group is in two splits.
---
---Raises: `manifest: "DIR/manifest.csv":LINE:COLUMN: ...` for whatever is wrong.
---@param dir string
---@param opts? table classes: string[] in order (default: the sorted labels of train); leave_out: string[],
---  labels whose rows are dropped; merge: { NEW = { "old", "older" } }, labels that are taken as one;
---  saliency, sigma: the loaders' defaults
---@return rille.Set
function data.open(dir, opts)
  opts = check.options("data.open", opts, { classes = false, leave_out = false, merge = false,
    saliency = false, sigma = false })
  if opts.saliency then check.word("data.open", "saliency", opts.saliency, Loader.SALIENCY) end
  return Set.new(dir, opts)
end

---Batches of a set, decoded ahead of training. See rille.data.loader for the options.
---@param set rille.Set
---@param opts? table
---@return rille.Loader
function data.loader(set, opts) return Loader.new(set, opts) end

data.degrade = require "rille.data.degrade"

---Images at the size of others, by bicubic interpolation (a = -0.5, antialiased where they shrink) clipped to
---[0, 1]; images of that size already are given back.
---@param x rille.Tensor N x C x h x w
---@param like rille.Tensor ... x H x W
---@return rille.Tensor N x C x H x W
function data.resize(x, like)
  local a, b = x.shape, like.shape
  local height, width = b[#b - 1], b[#b]
  if a[3] == height and a[4] == width then return x end
  return require "rille.util.filter".bicubic(x, height, width, true):clamp { min = 0, max = 1 }
end

---Draw the chest phantom into a folder that data.open reads: simulated X-rays in the classes normal, chf and
---pneumonia, with lung masks and gaze maps. The same arguments give the same bytes. Not for clinical use.
---
---Raises: `phantom: ...` when the folder has a manifest.csv already, or cannot be written.
---@param dir string made if it is missing
---@param opts? { n: integer, train: integer, val: integer, test: integer, size: integer, seed: integer }
---  n = 300 patients, of which 70 % train, 10 % val, 20 % test unless these are given; size = 128; seed = 1
---@return rille.Set
function data.phantom(dir, opts)
  opts = check.options("data.phantom", opts,
    { n = 300, train = false, val = false, test = false, size = 128, seed = 1 })
  local val = opts.val or (opts.train or opts.test) and 0 or opts.n // 10
  local test = opts.test or (opts.train or opts.val) and 0 or opts.n // 5
  local train = opts.train or (opts.val or opts.test) and 0 or opts.n - val - test
  core.phantom_folder(dir, train, val, test, opts.size, opts.seed)
  return data.open(dir, { classes = { "chf", "normal", "pneumonia" } })
end

---One phantom patient without files: u8 tensors 1 x size x size `image`, `mask`, `saliency`; `class`, a name;
---and `fixations`, a list of { x, y, onset, duration } in pixels and seconds.
---@param patient integer from 1
---@param opts? { size: integer, seed: integer } size = 128, seed = 1
function data.phantom_patient(patient, opts)
  opts = check.options("data.phantom_patient", opts, { size = 128, seed = 1 })
  return core.phantom_draw(opts.seed, patient, opts.size)
end

---Prepare EGD-CXR from its published form; see `rille data egd-cxr`. Tells on stderr what it does.
---
---Raises: `egd-cxr: ...` when a table, a column or every image is missing, or DICOM cannot be converted.
---@param src string folder with master_sheet.csv, eye_gaze.csv, fixations.csv and images, in any subfolder
---@param dir string
---@param opts? { size: integer, seed: integer, images: string, say: fun(text: string) } height in pixels, 320
---@return integer ready, integer left_out, integer fresh
function data.egd_cxr(src, dir, opts)
  local o = check.options("data.egd_cxr", opts, { size = 320, seed = 1, images = false,
    say = function(text) io.stderr:write(text, "\n") end })
  o.images = o.images or nil
  return require "rille.data.egd_cxr"(src, dir, o)
end

---Prepare ChestX-ray14 of the NIH from its published form; see `rille data chestxray14`. Its several findings
---per image are the column findings: R.data = { labels = "findings" }.
---
---Raises: `chestxray14: ...` when a table, a column or every image is missing.
---@param src string folder with Data_Entry_2017*.csv, train_val_list.txt, test_list.txt and images
---@param dir string
---@param opts? { size: integer, seed: integer, say: fun(text: string) } pixels of both sides, 256
---@return integer ready, integer left_out, integer fresh
function data.chestxray14(src, dir, opts)
  local o = check.options("data.chestxray14", opts, { size = 256, seed = 1,
    say = function(text) io.stderr:write(text, "\n") end })
  check.integer("data.chestxray14", "size", o.size, 16, 4096)
  return require "rille.data.chestxray14"(src, dir, o)
end

---Prepare the Montgomery, Shenzhen or JSRT chest X-rays with their lung masks; see `rille data montgomery`.
---
---Raises: `NAME: ...` when no image is found, or DIR holds a data set already.
---@param name "montgomery"|"shenzhen"|"jsrt"
---@param src string folder of the download, unpacked
---@param dir string
---@param opts? { size: integer, seed: integer, say: fun(text: string) } longer side in pixels, 512
---@return integer ready, integer masked, integer left_out
function data.lungs(name, src, dir, opts)
  check.word("data.lungs", "name", name, { "montgomery", "shenzhen", "jsrt" })
  local o = check.options("data.lungs", opts, { size = 512, seed = 1,
    say = function(text) io.stderr:write(text, "\n") end })
  check.integer("data.lungs", "size", o.size, 16, 4096)
  return require "rille.data.lungs"(name, src, dir, o)
end

---Copy two data sets into one folder, such as for pretraining on both. Splits, labels and further columns
---stay; files and groups get the name of their folder in front. Fixations stay behind.
---
---Raises: `join: ...` when DIR holds a data set already, both folders have one name, or a file cannot be
---copied.
---@param a string folder that data.open reads
---@param b string
---@param dir string
---@param opts? { say: fun(text: string) }
---@return rille.Set
function data.join(a, b, dir, opts)
  local o = check.options("data.join", opts, { say = function(text) io.stderr:write(text, "\n") end })
  require "rille.data.join"({ data.open(a), data.open(b) }, dir, o.say)
  return data.open(dir)
end

return data
