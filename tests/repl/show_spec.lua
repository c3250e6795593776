local complete = require "rille.repl.complete"
local help = require "rille.repl.help"
local repl = require "rille.repl"
local rl = require "rille"
local show = require "rille.repl.show"

local function words(text)
  return complete.words(repl.environment { net = { weight = 1, bias = 2 }, t = rl.ones { 2 } }, text)
end

local function session(lines)
  local said, i = {}, 0
  repl.loop { env = repl.environment(), read = function()
    i = i + 1
    return lines[i]
  end, out = function(text) said[#said + 1] = text end }
  return said
end

describe("tensors as text", function()
  it("are aligned, with shape and dtype below", function()
    assert.are.equal("  1.0000  -2.5000\n  3.0000   4.0000\n[2x2 f32]",
      tostring(rl.tensor { { 1, -2.5 }, { 3, 4 } }))
    assert.are.equal("  1   2  30\n[3 i64]", tostring(rl.tensor({ 1, 2, 30 }, { dtype = "i64" })))
    assert.are.equal(" 7\n[scalar f32]", tostring(rl.tensor(7)))
    assert.are.equal("[0x3 f32]", tostring(rl.zeros { 0, 3 }))
    assert.are.equal("  inf  -inf   nan\n[3 f64]",
      tostring(rl.tensor({ 1 / 0, -1 / 0, 0 / 0 }, { dtype = "f64" })))
  end)
  it("say what made them, and where", function()
    local x = rl.tensor({ 1, 2 }, { requires_grad = true })
    assert.is_truthy(tostring(x):find("[2 f32, requires_grad]", 1, true))
    assert.is_truthy(tostring(x * 2):find("[2 f32, made by mul]", 1, true))
  end)
  it("show the ends of each dim when there are more than 1000 elements", function()
    local text = tostring(rl.arange(1, 2000):reshape { 40, 50 })
    assert.is_truthy(text:find("^%s+1%s+2%s+3%s+%.%.%.%s+48%s+49%s+50\n"), text)
    assert.are.equal(7, select(2, text:gsub("\n", "")))
    assert.is_truthy(text:find("1951", 1, true) and text:find("[40x50 i64]", 1, true))
  end)
  it("head their planes by place", function()
    local text = tostring(rl.zeros { 2, 1, 1, 2 })
    assert.is_truthy(text:find("[2, 1, .., ..]", 1, true), text)
  end)
  it("leave no trace in the graph", function()
    local x = rl.tensor({ 1, 2 }, { requires_grad = true })
    local y = (x * x):sum()
    local _ = tostring(y) .. tostring(x)
    y:backward()
    assert.is_close({ 2, 4 }, x.grad)
  end)
  it("are short inside tables", function()
    assert.are.equal("{ 1, x = [2 f32], y = \"a\" }", show.value { 1, x = rl.ones { 2 }, y = "a" })
  end)
end)

describe("completion", function()
  it("knows globals, fields, methods and parts", function()
    assert.are.same({ "rl.conv2d" }, words "rl.conv2")
    assert.are.same({ "net.bias" }, words "net.b")
    assert.are.same({ "net.bias", "net.weight" }, words "net.")
    assert.are.same({ "t:reshape" }, words "t:resh")
    assert.are.same({ "t.shape" }, words "t.shap")
    assert.are.same({ "print" }, words "prin")
    assert.are.same({ "rl.nn.Conv2d" }, words "rl.nn.Conv")
    assert.are.same({}, words "nothing.at")
  end)
  it("puts what all share in front, for readline", function()
    assert.are.equal("net.", complete.completer(repl.environment { net = { wa = 1, b = 1 } })("net.")[1])
  end)
end)

describe("help", function()
  it("reads an op's row", function()
    local text = help.text(rl.conv2d)
    assert.is_truthy(text:find("^rl.conv2d%(") and text:find("stride", 1, true)
      and text:find("default 1", 1, true), text)
  end)
  it("reads classes and functions of the library", function()
    assert.is_truthy(help.text(rl.nn.Conv2d):find("[Cc]onvolution"))
    assert.is_truthy(help.text(rl.data.open):find("Open a data set", 1, true))
  end)
  it("searches by word, and names the nearest", function()
    assert.is_truthy(help.text("sigmoid"):find("rl.sigmoid(", 1, true))
    assert.is_truthy(help.text("convolution"):find("rl.conv2d", 1, true))
    assert.is_truthy(help.text("sigmoyd"):find('did you mean "sigmoid"', 1, true))
  end)
end)

describe("the prompt", function()
  it("prints expressions, keeps locals, spans lines", function()
    assert.are.same({ "2", "5", "4", "" }, session { "1 + 1", "local x = 5", "x", "for i = 1, 1 do",
      "  y = i + 3", "end", "y" })
  end)
  it("tells errors in one line and goes on", function()
    local said = session { "error 'bad'", "1 +* 2", "nothing.x", "rl.ones({ 2 }):reshape { 3 }", "7" }
    assert.are.equal("error: bad", said[1])
    for i = 1, 4 do assert.is_nil(said[i]:find("\n", 1, true)) end
    assert.is_truthy(said[4]:find("reshape", 1, true))
    assert.are.equal("7", said[5])
  end)
  it("gives a line up on Ctrl-C, not the session", function()
    assert.are.same({ "", "3", "" }, session { false, "3" })
  end)
end)
