local overview = require "rille.report.overview"

local function section(figures, n)
  local keys = {}
  for key in pairs(figures) do keys[#keys + 1] = key end
  table.sort(keys)
  return overview.section(n, keys, function(k, key) return figures[key][k] end)
end

-- The cells of one colour, as the heat map draws them: column and row from 0.
local function cell(x, y) return ("M%d %dh1v1h-1z"):format(x, y) end

describe("report.overview", function()
  it("colours what is better alike, be it more or less, at any scale", function()
    local text = section({ dice = { 0.1, 0.2, 0.3 }, hd95 = { 30, 20, 10 } }, 3)
    for k = 0, 2 do assert.truthy(text:find(cell(k, 0) .. cell(k, 1), 1, true)) end
    text = section({ dice = { 0.1, 0.2, 0.3 }, hd95 = { 10, 20, 30 } }, 3)
    assert.truthy(text:find(cell(0, 0) .. cell(2, 1), 1, true))
  end)
  it("leaves out what was not measured; equal values are all in the middle", function()
    local text = section({ dice = { 0.1, nil, 0.3 }, psnr = { 7, 7, 7 } }, 3)
    assert.is_nil(text:find("M1 0", 1, true))
    assert.truthy(text:find("M0 1h3v1h-3z", 1, true))
  end)
  it("is not drawn for two variants, or without figures", function()
    assert.is_nil(section({ dice = { 0.1, 0.2 } }, 2))
    assert.is_nil(section({}, 5))
  end)
end)
