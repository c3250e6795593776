local plot = require "rille.plot"
local scale = require "rille.plot.scale"
local svg = require "rille.plot.svg"
local thin = require "rille.plot.thin"

-- Every opening tag has its closing one, and attributes are quoted: what an XML parser would ask first.
local function is_well_formed(text)
  local open = {}
  for slash, name, rest in text:gmatch("<(/?)([%w]+)([^<>]*)>") do
    if slash == "/" then
      if table.remove(open) ~= name then return false end
    elseif rest:sub(-1) ~= "/" then
      open[#open + 1] = name
    end
    if select(2, rest:gsub('"', "")) % 2 ~= 0 then return false end
  end
  return #open == 0
end

local nan, inf = 0 / 0, math.huge
local AWKWARD = { {}, { 1 }, { nan, inf, -inf }, { 0, 0, 0 }, { 1, nan, 1e299, -1e-300 },
  { 1e299, -1e308 } }

describe("plot.line", function()
  it("draws hostile names, gaps, infinities and single points", function()
    for _, y in ipairs(AWKWARD) do
      for _, log in ipairs { true, false } do
        local series = { { name = "<b> & \"q\"", y = y } }
        local text = plot.line { series = series, title = "<i>", ylog = log, markers = true }
        assert.is_true(is_well_formed(text))
        assert.is_nil(text:find("nan", 1, true))
        assert.is_nil(text:find("<b>", 1, true))
      end
    end
  end)
  it("keeps a long series small and its spike visible", function()
    local y = {}
    for i = 1, 200000 do y[i] = (i % 7) / 7 end
    y[77777] = 50
    local text = plot.line { series = { { y = y } } }
    assert.is_true(#text < 60000)
    assert.is_truthy(text:find(">40<", 1, true))
  end)
  it("refuses what it cannot draw", function()
    assert.error_matches(function() plot.line { series = { { x = { 1 }, y = { 1, 2 } } } } end, "1 x and 2 y")
    local function misspelt() plot.line { series = {}, tilte = "x" } end
    assert.error_matches(misspelt, 'unknown option "tilte"; did you mean "title"')
    assert.error_matches(function() plot.line {} end, "series is missing")
  end)
end)

describe("plot.thin", function()
  it("keeps first, lowest, highest and last per column, in order", function()
    local y = { 3, 1, 9, 4, 5, 5 }
    assert.same({ 1, 2, 3, 4, 5, 6 }, thin.pick({ 1, 1, 1, 1, 2, 2 }, y, function(x) return x end))
    assert.same({ 1, 2, 3, 6 }, thin.pick({ 1, 1, 1, 1, 1, 1 }, y, function(x) return x end))
  end)
  it("marks gaps once", function()
    assert.same({ 1, false, 4 }, thin.pick({ 1, 2, 3, 4 }, { 1, nan, nan, 4 }, function(x) return x end))
  end)
end)

describe("plot.scale", function()
  it("has round ticks inside its range", function()
    for _, r in ipairs { { 0, 1 }, { -3, 7 }, { 0, 1e-7 }, { 1e6, 3e6 }, { 0.99, 1.01 } } do
      local made = scale.make { lo = r[1], hi = r[2], from = 0, to = 100, count = 5 }
      assert.is_true(#made.ticks >= 2 and #made.ticks <= 8)
      for _, tick in ipairs(made.ticks) do assert.is_true(tick.at >= -0.01 and tick.at <= 100.01) end
    end
  end)
  it("never lets labels on x touch", function()
    local made = scale.fitting({ lo = 0, hi = 123456, from = 0, to = 150 }, 11)
    for i = 2, #made.ticks do
      local a, b = made.ticks[i - 1], made.ticks[i]
      assert.is_true(b.at - a.at > (svg.width(a.text, 11) + svg.width(b.text, 11)) / 2)
    end
  end)
  it("gives a logarithmic axis its decades", function()
    local texts = {}
    for i, t in ipairs(scale.make({ lo = 1e-3, hi = 10, from = 0, to = 1, log = true, count = 9 }).ticks) do
      texts[i] = t.text
    end
    assert.same({ "0.001", "0.01", "0.1", "1", "10" }, texts)
  end)
end)

describe("plot.roc, heat, bars and confusion", function()
  it("are well-formed", function()
    local rows, names = { { -1, 0, 1, nan }, { 0.5, 0.5 } }, { "<a>", "b" }
    for _, text in ipairs {
      plot.roc { curves = { { name = "<a>", fpr = { 0, 0.2, 1 }, tpr = { 0, 0.9, 1 } } } },
      plot.heat { values = rows, rows = names, xlim = { 1, 4 } },
      plot.bars { bars = { { name = "<a>", value = -2, interval = { -3, 1 } } } },
      plot.confusion { counts = { { 8, 2 }, { 0, 0 } }, classes = names },
    } do
      assert.is_true(is_well_formed(text))
    end
  end)
  it("join equal neighbours of a heat map to one rectangle", function()
    local text = plot.heat { values = { { 1, 1, 1, -1 } }, rows = { "a" } }
    assert.is_truthy(text:find("M0 0h3v1h-3z", 1, true))
    assert.is_truthy(text:find("M3 0h1v1h-1z", 1, true))
  end)
  it("refuse what they cannot draw", function()
    assert.error_matches(function() plot.roc { curves = { { fpr = { 0 }, tpr = {} } } } end, "curve 1 needs")
    assert.error_matches(function() plot.heat { values = {}, rows = {} } end, "0 rows of values")
    assert.error_matches(function() plot.bars { bars = { { name = "a" } } } end, "bar 1 has no value")
    assert.error_matches(function() plot.confusion {} end, "no counts")
  end)
end)

describe("plot.svg", function()
  it("makes any bytes safe as text", function()
    assert.equals("&lt;a&gt; &amp; &quot;b&quot; &#39;c&#39;", svg.escape("<a> & \"b\" 'c'"))
    assert.equals("ä\u{FFFD}b\u{FFFD}\u{FFFD}", svg.escape("ä\255b\254\xC3"))
    assert.equals("ab\n", svg.escape("a\0b\27\n"))
    assert.equals("true", svg.escape(true))
  end)
  it("shortens texts to their room, inside no character", function()
    for room = 10, 120, 7 do
      for _, keep_end in ipairs { true, false } do
        local short = svg.fit("encoder.schöne.größe.conv", room, 11, keep_end)
        assert.is_truthy(utf8.len(short))
        assert.is_true(svg.width(short, 11) <= room or short == "…")
      end
    end
  end)
end)

describe("the palette", function()
  it("tells 28 series apart by colour and dash", function()
    local palette, seen = require "rille.plot.palette", {}
    for k = 1, 28 do
      local look = palette.series(k) .. palette.dash(k)
      assert.is_nil(seen[look])
      seen[look] = true
    end
  end)
end)

describe("plot.save", function()
  it("writes an svg file that stands alone", function()
    local file = os.tmpname()
    plot.save(file, plot.line { series = { { y = { 1, 2 } } } })
    local f = assert(io.open(file, "rb"))
    local text = f:read("a")
    f:close()
    os.remove(file)
    assert.equals('<svg xmlns="http://www.w3.org/2000/svg"', text:sub(1, 39))
    assert.is_truthy(text:find("prefers-color-scheme", 1, true))
  end)
  it("refuses what is no chart", function()
    assert.error_matches(function() plot.save(os.tmpname(), "x") end, "no chart given")
  end)
end)
