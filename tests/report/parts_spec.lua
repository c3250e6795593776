if not pcall(require, "rille.util.json") then return pending("report needs rille.util.json") end
local base64 = require "rille.report.base64"
local compare = require "rille.report.compare"
local variants = require "rille.report.variants"
local folder = require "report.folder"
local format = require "rille.report.format"
local gates = require "rille.report.gates"
local spans = require "rille.report.spans"

describe("report.base64", function()
  it("gives the vectors of RFC 4648", function()
    local want = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" }
    for n = 0, 6 do assert.equals(want[n + 1], base64(("foobar"):sub(1, n))) end
  end)
  it("joins its blocks without a seam", function()
    local data = {}
    for i = 0, 999 do data[i + 1] = string.char(i % 251) end
    data = table.concat(data)
    local parts = {}
    for at = 1, #data, 3 do parts[#parts + 1] = base64(data:sub(at, at + 2)) end
    assert.equals(table.concat(parts), base64(data))
  end)
end)

describe("report.format", function()
  it("gives sensible digits", function()
    assert.equals("0.931", format.metric(0.93123))
    assert.equals("−0.200", format.metric(-0.2))
    assert.equals("27.31", format.metric(27.3123))
    assert.equals("2e-5", format.metric(2e-5))
    assert.equals("–", format.metric(nil))
    assert.equals("–", format.metric("0.5"))
    assert.equals("1,234,567", format.count(1234567))
    assert.equals("123", format.count(123))
    assert.equals("2 min 31 s", format.seconds(151.3))
    assert.equals("2 h 00 min", format.seconds(7200))
    assert.equals("1.6 GiB", format.mib(1624.8))
    assert.equals("{ Adam, lr = 0.001 }", format.value { "Adam", lr = 1e-3 })
  end)
end)

describe("report.spans", function()
  it("means over windows, however long the sequence", function()
    local s = spans.new()
    for step = 1, 4096 do s:add(step, step) end
    assert.is_near(4096 / 4 + 0.5, s:mean(1, 2049), 1e-9)
    assert.is_near(3072.5, s:mean(2049, 4097), 1e-9)
    local empty = s:mean(9000, 9100)
    assert.is_true(empty ~= empty)
  end)
end)

describe("report.gates", function()
  it("orders layers by model, and numbers as numbers", function()
    local layers = { ["dec.up1"] = 1, ["enc.conv10"] = 1, ["enc.conv9"] = 1 }
    assert.same({ "enc.conv9", "enc.conv10", "dec.up1" }, gates.order(layers, { enc = 1, dec = 2 }))
  end)
  it("joins layers by the beginning of their paths when there are many", function()
    local rows, is_joined = gates.rows({ "a.b.c", "a.b.d", "a.e", "f" }, 3)
    assert.is_true(is_joined)
    assert.equals("a.b", rows[1].name)
    assert.same({ "a.b.c", "a.b.d" }, rows[1].members)
    assert.equals(3, #rows)
  end)
end)

describe("report.compare", function()
  local root
  before_each(function()
    root = os.tmpname()
    os.remove(root)
  end)
  after_each(function() os.execute("rm -rf '" .. root .. "'") end)

  it("groups runs by what was varied and pairs them by seed", function()
    local dirs = {}
    for k, auc in ipairs { 0.8, 0.9, 0.84, 0.96 } do
      dirs[k] = root .. "/r" .. k
      assert(os.execute("mkdir -p '" .. dirs[k] .. "/pictures'"))
      folder.write(dirs[k], { edit = function(info, metrics)
        info.seed = (k - 1) % 2 + 1
        info.stages[2].gate = k <= 2 and "none" or "pcgrad"
        metrics.metrics.auc_macro = auc
      end })
    end
    local f = assert(io.open(compare.write(dirs, root .. "/all.html"), "rb"))
    local text = f:read("a")
    f:close()
    for _, part in ipairs { "stages.joint.gate", "pcgrad", "0.850 ± 0.071", "0.900 ± 0.085", "0.050" } do
      assert.is_truthy(text:find(part, 1, true), part)
    end
    assert.is_nil(text:find("http", 1, true))
  end)
  it("does not tell again what an option makes of the stages", function()
    local function run(recipe, settings) return { recipe = recipe, settings = settings } end
    local a = run("joint", { lr = "1", method = "equal", ["stages.one.gate"] = "none" })
    local b = run("joint", { lr = "1", method = "promoted", ["stages.one.gate"] = "gradprom" })
    local c = run("joint", { lr = "1", method = "promoted", ["stages.one.gate"] = "pcgrad" })
    local other = run("alone", { lr = "2" })
    assert.same({ "method" }, variants.paths { a, b, other })
    assert.same({ "method", "stages.one.gate" }, variants.paths { a, b, c, other })
    local groups = variants.group({ a, b, other }, { "method" })
    assert.equals("joint, promoted", variants.name(groups[2]))
    assert.equals("alone", variants.name(groups[3]))
  end)
  it("refuses an empty list", function()
    assert.error_matches(function() compare.write({}, root) end, "compare: no runs given")
  end)
end)
