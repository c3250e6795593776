local rl = require "rille"
local decode, encode = rl.io.json_decode, rl.io.json_encode

describe("json", function()
  it("keeps integers, doubles, null and empty arrays apart", function()
    local v = decode '{"i": 9007199254740993, "d": 2.0, "n": null, "a": [], "o": {}, "t": [true, false]}'
    assert.equal("integer", math.type(v.i))
    assert.equal(9007199254740993, v.i)
    assert.equal("float", math.type(v.d))
    assert.equal(rl.io.null, v.n)
    assert.equal('{"a":[],"d":2.0,"i":9007199254740993,"n":null,"o":{},"t":[true,false]}', encode(v))
  end)
  it("writes doubles that read back the same", function()
    for _, x in ipairs { 0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e15, 123456.789 } do
      assert.equal(string.pack("d", x), string.pack("d", decode(encode(x))))
    end
    assert.equal("0.1", encode(0.1))
  end)
  it("carries every character", function()
    local s = "a\"\\/\b\f\n\r\t\1\0\u{e9}\u{20ac}\u{1f600}"
    assert.equal(s, decode(encode(s)))
    assert.equal("\u{1f600}", decode '"\\ud83d\\ude00"')
  end)
  it("sorts keys, and marks empty arrays", function()
    assert.equal('{"a":1,"b":{"a":[],"c":{}}}', encode { b = { c = {}, a = rl.io.json_array {} }, a = 1 })
    assert.equal('[1,"2",[3]]', encode { 1, "2", { 3 } })
  end)
  it("refuses what is not JSON, naming the byte", function()
    for _, text in ipairs { "", "[1,]", "{\"a\":1,}", "01", "1.", "NaN", "\"\xff\"", "\"\\ud800\"",
      "[1] 2", "{1:2}",
      "\"a", "1e999", "// x", "{\"a\":1,\"a\":2}", ("["):rep(65) .. ("]"):rep(65) } do
      local value, message, code = decode(text)
      assert.is_nil(value)
      assert.truthy(message:find("^json: byte %d+: "), message)
      assert.equal("EFORMAT", code)
    end
    assert.equal(1, #decode(("["):rep(64) .. ("]"):rep(64)))
  end)
  it("refuses values without a JSON form", function()
    local round = {}
    round.round = round
    for value, text in pairs { [0 / 1 == 0 and 1 / 0] = "inf is not", [print] = "no JSON form",
      ["\xff"] = "not UTF-8",
      [round] = "nested deeper", [{ [1.5] = 1 }] = "keys are texts", [{ 1, nil, 3 }] = "keys are texts" } do
      assert.error_matches(function() encode(value) end, text)
    end
    assert.error_matches(function() encode(0 / 0) end, "not a JSON number")
  end)
end)
