local rl = require "rille"
local gating = rl.gating

describe("gates as text", function()
  it("parse into specs and back", function()
    assert.same({ "none" }, gating.parse "none")
    assert.same({ "gradprom", main = "ce", lambda = 0.1 }, gating.parse "gradprom:main=ce,lambda=0.1")
    assert.same({ "gradprom", main = "kl", layers = false, floor = 0 },
      gating.parse " gradprom : main = kl, layers=false,floor=0")
    for _, line in ipairs { "none", "gradprom:lambda=0.1,main=ce", "cosine:main=ce,weighted=true" } do
      assert.equal(line, gating.format(gating.parse(line)))
    end
  end)
  it("refuse other forms", function()
    assert.error_matches(function() gating.parse "gradprom main=ce" end,
      "is no gate; write name or name:key=value")
    assert.error_matches(function() gating.parse "gradprom:main" end,
      '"main" in "gradprom:main" is no key=value')
    assert.error_matches(function() gating.parse "" end, "is no gate")
  end)
  it("are made with the main loss by name", function()
    local _, main = gating.make("gradprom:main=kl,lambda=0.1", { "ce", "kl" })
    assert.equal(2, main)
    local gate = gating.make({ function(_, ctx) return ctx.main end, main = "ce" }, { "ce", "kl" })
    assert.equal(1, gate({}, {}))
  end)
  it("name what does not exist", function()
    local losses = { "ce", "kl" }
    assert.error_matches(function() gating.make("gradprm:main=ce", losses) end,
      'unknown rule "gradprm"; did you mean "gradprom"?')
    assert.error_matches(function() gating.make("gradprom:main=cee", losses) end,
      'unknown main loss "cee"; did you mean "ce"?')
    assert.error_matches(function() gating.make("gradprom:main=ce,lamda=1", losses) end,
      'unknown option "lamda"; did you mean "lambda"?')
    assert.error_matches(function() gating.make("parse", losses) end, 'unknown rule "parse"')
    assert.error_matches(function() gating.make("gradprom:mode=soft,reading=any,main=ce", losses) end,
      'mode = "soft"')
  end)
end)
