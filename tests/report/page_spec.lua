local has_json, json = pcall(require, "rille.util.json")
if not has_json then return pending("report.page needs rille.util.json") end
local folder = require "report.folder"
local page = require "rille.report.page"

local SECTIONS = { "summary", "curves", "gates", "roc", "confusion", "pictures", "trivial", "journal",
  "source", "warnings" }
local WRONG = { '[]', '{}', '[1,[2],"x"]', '{"metrics":7,"roc":[1],"data":3,"stages":[1]}', '7', '{' }

describe("report.page", function()
  local dir
  before_each(function()
    dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir -p '" .. dir .. "/pictures'"))
  end)
  after_each(function() os.execute("rm -rf '" .. dir .. "'") end)

  local function written()
    local f = assert(io.open(page.write(dir), "rb"))
    local text = f:read("a")
    f:close()
    return text
  end
  local function has_section(text, id) return text:find('<section id="' .. id .. '">', 1, true) ~= nil end
  local function holds(text, part) assert.is_truthy(text:find(part, 1, true), part) end
  local function lacks(text, part) assert.is_nil(text:find(part, 1, true), part) end

  it("has every section of a whole run, in order", function()
    folder.write(dir)
    local text, before = written(), 0
    for _, id in ipairs(SECTIONS) do
      local at = text:find('<section id="' .. id .. '">', 1, true)
      assert.is_truthy(at and at > before, id)
      before = at
    end
    for _, part in ipairs { "Does the gaze task help the diagnosis", "0.931", "0.907 to 0.952", "20,013,928",
      "1.6 GiB", "12 epochs", "gate gradprom (main = ce)", "joint: losses per step", "best epoch 9",
      "learning rate per step", "chf: 0.909 (0.879 to 0.929)", "stages.joint.gate", "grey where colour",
      "truth chf, answer normal ✗", "this run minus mean map", "not told apart",
      "data:image/png;base64,iVBORw0" } do
      holds(text, part)
    end
  end)

  it("needs nothing from outside and no script", function()
    folder.write(dir)
    local text = written()
    for _, part in ipairs { "http", "<script", "<link", "@import", "url(" } do lacks(text, part) end
    for source in text:gmatch('src="([^"]*)') do assert.equals("data:", source:sub(1, 5)) end
  end)

  it("skips what the folder lacks", function()
    for file, gone in pairs { ["run.json"] = "source", ["metrics.json"] = "roc",
      ["journal.jsonl"] = "journal", ["pictures/index.json"] = "pictures", ["log.jsonl"] = "curves" } do
      folder.write(dir)
      os.remove(dir .. "/" .. file)
      local text = written()
      assert.is_false(has_section(text, gone), file)
      assert.is_true(has_section(text, "summary"), file)
    end
  end)

  it("copes with values of the wrong kind in every place", function()
    folder.write(dir)
    for _, value in ipairs(WRONG) do
      for _, file in ipairs { "run.json", "metrics.json", "pictures/index.json" } do
        folder.put(dir, file, value)
      end
      local step = json.encode { kind = "step", step = 1, losses = 3, gate = { layers = 2 } }
      folder.put(dir, "log.jsonl", value .. "\n" .. step .. "\n")
      assert.is_true(has_section(written(), "summary"), value)
    end
  end)

  it("takes null for nothing", function()
    folder.put(dir, "run.json", '{"recipe":null,"seed":null,"data":{"classes":[null]},"options":{"a":null}}')
    folder.put(dir, "log.jsonl", '{"kind":"stage","stage":"a","event":"end","best_epoch":null,"reason":null}')
    folder.put(dir, "metrics.json", '{"metrics":{"accuracy":null,"auc_macro":0.5},"roc":null}')
    local text = written()
    lacks(text, "userdata")
    holds(text, "0.500")
  end)

  it("tolerates a broken last line and tells of others", function()
    folder.write(dir)
    lacks(written(), "cannot be read")
    local good = json.encode { step = 1, kind = "set", path = "a" }
    folder.put(dir, "journal.jsonl", "{broken\n" .. good .. "\n")
    holds(written(), "journal.jsonl: 1 lines cannot be read")
  end)

  it("keeps the later one of steps that a resume repeated", function()
    local lines = {}
    for _, step in ipairs { 1, 2, 3, 2, 3, 4 } do
      lines[#lines + 1] = json.encode { kind = "step", stage = "a", step = step, losses = { ce = step } }
    end
    folder.put(dir, "log.jsonl", table.concat(lines, "\n"))
    holds(written(), "<td>4</td>")
  end)

  it("shows hostile texts as texts", function()
    local evil = "<script>alert('x')</script>\"&"
    folder.write(dir, { classes = { evil, "b" }, layers = { evil .. ".a", "b" }, edit = function(info)
      info.recipe, info.cpu, info.recipe_text = evil, evil, "-- " .. evil .. "\n" .. evil
      info.options = { [evil] = evil }
      info.stages[2].gate = { name = evil, main = evil }
    end })
    local log = { { kind = "stage", stage = evil, event = "end", reason = evil },
      { kind = "warning", text = evil },
      { kind = "step", stage = evil, step = 1, losses = { [evil] = 1 } } }
    for i, record in ipairs(log) do log[i] = json.encode(record) end
    folder.put(dir, "log.jsonl", table.concat(log, "\n"))
    folder.put(dir, "journal.jsonl", json.encode { step = 1, kind = evil, path = evil, text = evil })
    folder.put(dir, "pictures/index.json", json.encode { { title = evil, file = evil .. "f", role = evil,
      label = evil, predicted = "b", panels = { { label = evil, png = "pictures/p1_1.png" } } } })
    local text = written()
    lacks(text, "<script")
    lacks(text, "alert('x')")
    holds(text, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;")
    assert.is_truthy(utf8.len(text))
  end)

  it("embeds pictures of the run folder only", function()
    folder.write(dir)
    folder.put(dir, "pictures/text.png", "no picture")
    local panels = {}
    for i, name in ipairs { "/etc/hostname", "../x.png", "pictures/text.png", "pictures/none.png" } do
      panels[i] = { label = "p" .. i, png = name }
    end
    folder.put(dir, "pictures/index.json", json.encode { { title = "t", panels = panels } })
    local text = written()
    lacks(text, "<img")
    assert.equals(4, select(2, text:gsub("not there", "")))
  end)

  it("stays below 5 MB, whatever the folder holds", function()
    folder.write(dir, { edit = function(info) info.recipe_text = ("-- a\nlocal x = 1 < 2\n"):rep(1e5) end })
    local big = folder.png(8, function() return 9 end) .. ("x"):rep(1500000)
    folder.put(dir, "pictures/big.png", big)
    local index = {}
    for i = 1, 4 do index[i] = { title = "p" .. i, panels = { { png = "pictures/big.png" } } } end
    folder.put(dir, "pictures/index.json", json.encode(index))
    local text = written()
    assert.is_true(#text <= 5e6)
    holds(text, "2 of 4 pictures are shown")
  end)

  it("refuses a folder without a run", function()
    assert.error_matches(function() page.write(dir) end, "is no run folder")
  end)
end)
