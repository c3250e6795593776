local check = require "rille.util.check"
local match = require "rille.util.match"

describe("check", function()
  it("finds the nearest name, or none", function()
    assert.equal("padding", check.nearest("pading", { "stride", "padding" }))
    assert.equal("lr", check.nearest("lR", { lr = 1, eps = 1 }))
    assert.is_nil(check.nearest("momentum", { "lr", "eps" }))
  end)
  it("lays options over defaults and names unknown ones", function()
    assert.same({ a = 1, b = 3 }, check.options("f", { b = 3 }, { a = 1, b = 2, c = check.none }))
    assert.error_matches(function() check.options("f", { z = 3 }, { alpha = 1, beta = 2 }) end,
      'f: unknown option "z"; there are: alpha, beta')
    assert.error_matches(function() check.options("f", 3, { a = 1 }) end, "f: options come in a table")
  end)
  it("checks numbers, integers, pairs and words", function()
    assert.equal(2, check.integer("f", "n", 2.0, 1))
    assert.same({ 3, 3 }, check.pair("f", "k", 3, 1))
    assert.error_matches(function() check.integer("f", "n", 2.5) end, "f: n is an integer, not 2.5")
    assert.error_matches(function() check.integer("f", "n", 0, 1) end, "f: n = 0; it lies in [1, inf]")
    assert.error_matches(function() check.number("f", "p", 0 / 0, 0, 1) end, "f: p = ")
    assert.error_matches(function() check.pair("f", "k", { 1, 2, 3 }) end,
      "f: k is an integer or { height, width }")
    assert.error_matches(function() check.word("f", "mode", "x", { "a", "b" }) end,
      "f: mode = x; it is one of: a, b")
  end)
end)

describe("match", function()
  it("takes prefixes, globs and several words", function()
    local m = match.compile("encoder. *.bias head?")
    assert.same({ true, true, true, false, false },
      { m("encoder.a.weight"), m("x.bias"), m("head1"), m("head12"), m("decoder.w") })
    assert.equal(true, match.compile("*")("anything"))
    assert.equal(false, match.compile("")("anything"))
  end)
end)
