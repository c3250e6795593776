-- rille data phantom DIR: draw the chest phantom. rille data NAME SRC DIR: prepare a published data set.
-- rille data join A B DIR: two folders as one.
local command = { name = "data",
  usage = "phantom DIR | egd-cxr|chestxray14|montgomery|shenzhen|jsrt SRC DIR | join A B DIR [options]",
  words = { least = 2, most = 4,
    what = '"phantom" and a folder, a data set\'s name and two, or "join" and three' },
  doc = "draw the chest phantom (simulated X-rays with classes, lung masks and gaze, not for clinical use), "
    .. "or\nprepare EGD-CXR as PhysioNet publishes it, with images of MIMIC-CXR as PNG, JPEG or DICOM, or the"
    .. "\nMontgomery, Shenzhen or JSRT chest X-rays with their lung masks, or ChestX-ray14, as they are"
    .. "\npublished, or copy two such folders into one",
  options = { { name = "n", value = "N", kind = "integer", lo = 1,
    doc = "patients of the phantom: 70 % train, 10 % val, 20 % test (default 300)" },
    { name = "size", value = "S", kind = "integer", lo = 16,
    doc = "pixels; default 128, for egd-cxr the height: 320 (x 256), for lung sets the longer side: "
    .. "512,\nfor chestxray14 256" },
    { name = "seed", value = "N", kind = "integer", lo = 0, doc = "default 1" },
    { name = "images", value = "DIR", doc = "egd-cxr: where the images are, if not in SRC" } } }

local function wrong(text, ...) error({ usage = "data: " .. text:format(...) }, 0) end

local KINDS = {}

function KINDS.phantom(o)
  if o[3] then wrong('phantom takes one folder; "%s" is one too many', o[3]) end
  if o.images then wrong "--images belongs to egd-cxr" end
  require "rille".data.phantom(o[2], { n = o.n or 300, size = o.size or 128, seed = o.seed or 1 })
  return o[2]
end

KINDS["egd-cxr"] = function(o)
  if not o[3] then wrong "egd-cxr takes two folders, SRC and DIR" end
  if o.n then wrong "--n belongs to phantom" end
  local ready, left_out, fresh = require "rille".data.egd_cxr(o[2], o[3], { size = o.size, seed = o.seed,
    images = o.images })
  print(("%d images ready (%d made now), %d left out%s"):format(ready, fresh, left_out,
    left_out > 0 and (', listed in "%s/left_out.csv"'):format(o[3]) or ""))
  return o[3]
end

function KINDS.chestxray14(o)
  if not o[3] then wrong "chestxray14 takes two folders, SRC and DIR" end
  if o.n then wrong "--n belongs to phantom" end
  if o.images then wrong "--images belongs to egd-cxr" end
  local ready, left_out, fresh = require "rille".data.chestxray14(o[2], o[3], { size = o.size,
    seed = o.seed })
  print(("%d images ready (%d made now), %d left out%s"):format(ready, fresh, left_out,
    left_out > 0 and (', listed in "%s/left_out.csv"'):format(o[3]) or ""))
  return o[3]
end

for _, name in ipairs { "montgomery", "shenzhen", "jsrt" } do
  KINDS[name] = function(o)
    if not o[3] then wrong("%s takes two folders, SRC and DIR", name) end
    if o.n then wrong "--n belongs to phantom" end
    if o.images then wrong "--images belongs to egd-cxr" end
    print(("%d images ready, %d with a lung mask, %d left out"):format(require "rille".data.lungs(name, o[2],
      o[3], { size = o.size, seed = o.seed })))
    return o[3]
  end
end

function KINDS.join(o)
  if not o[4] then wrong "join takes three folders, A, B and DIR" end
  for _, name in ipairs { "n", "size", "seed", "images" } do
    if o[name] then wrong("--%s does not belong to join, which copies", name) end
  end
  require "rille".data.join(o[2], o[3], o[4])
  return o[4]
end

function command.run(o)
  local make = KINDS[o[1]]
    or wrong('there are phantom, egd-cxr, chestxray14, montgomery, shenzhen, jsrt and join, not "%s"', o[1])
  if o[4] and o[1] ~= "join" then wrong('%s takes two folders; "%s" is one too many', o[1], o[4]) end
  print(tostring(require "rille".data.open(make(o))))
  return 0
end

return command
