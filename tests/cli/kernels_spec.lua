local json = require "rille.util.json"
local runs = require "support.runs"

local function lines_of(line)
  local code, text = runs.program(line)
  assert.are.equal(0, code, text)
  local out = {}
  for one in text:gmatch "[^\n]+" do out[#out + 1] = one end
  return out
end

describe("rille bench", function()
  it("shows kernels beside this CPU's peaks, as a table or as JSON lines", function()
    local peaks, row, more = table.unpack(lines_of "bench kernels --json --threads 1 --only 'mean over'")
    peaks, row = json.decode(peaks), json.decode(row)
    for _, name in ipairs { "fma", "l2_read", "l2_copy", "l3_read", "l3_copy", "dram_read", "dram_copy" } do
      assert.truthy(peaks.peaks[name] > 1e7, name)
    end
    assert.same({ "mean over the map", "forward", 0 }, { row.family, row.what, row.flops })
    assert.truthy(row.s > 0 and row.of_copy > 0)
    assert.equal("data", json.decode(more).what)
    local text = table.concat(lines_of "bench kernels --only adam", "\n")
    assert.truthy(text:find "peaks: FMA" and text:find "%% of DRAM copy")
  end)
  it("tells the language's floor beside an op, and profiles a step when asked", function()
    local said = json.decode(lines_of "bench add --steps 1"[1])
    assert.truthy(said.floor_s > 0)
    local text = table.concat(lines_of "bench mlp --steps 1 --profile", "\n")
    assert.truthy(text:find "linear, backward" and text:find "net%.0, backward" and text:find "sgd_step")
  end)
end)
