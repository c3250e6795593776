local files = require "support.files"
local lfs = require "lfs"
local runs = require "support.runs"

local RECIPE = runs.RECIPE:gsub("tiny%.lua$", "faulty.lua")

-- A run whose files may hold so many bytes from a step on until another one.
local function limited(name, limit)
  local line = ("run %q --data %q --out %s --checkpoint-steps 1 --quiet"):format(RECIPE, runs.data(), name)
  return runs.program(line, ("trap '' XFSZ; RILLE_TEST_LIMIT='%s'"):format(limit))
end

local function leftovers(name)
  local out = {}
  for file in lfs.dir(runs.root() .. "/" .. name .. "/checkpoints") do
    if file:find "tmp" then out[#out + 1] = file end
  end
  return out
end

describe("a disk that is full", function()
  local whole
  setup(function()
    local code, text = limited("whole", "0 99 99")
    assert.are.equal(0, code, text)
    whole = runs.weights "whole"
  end)
  teardown(runs.clean)

  it("for a while is told; training goes on, to the same bytes and the same log", function()
    -- states have more than 3000 bytes: those of steps 3 (with the best weights) and 4 fail
    local code, text = limited("while", "1500 3 5")
    assert.are.equal(0, code, text)
    assert.is_truthy(text:find("checkpoint: step 3: .*last good state is step 2; training goes on"), text)
    assert.are.equal(whole, runs.weights "while")
    assert.are.same({}, leftovers "while")
    local function steps(name)
      local _, n = files.read(runs.root() .. "/" .. name .. "/log.jsonl"):gsub('"kind":"step"', "")
      return n
    end
    assert.are.equal(steps "whole", steps "while")
  end)
  it("for good ends the run at the third try; the last good state is whole and goes on", function()
    local code, text = limited("good", "1500 3 99")
    assert.are.equal(1, code, text)
    assert.is_truthy(text:find "last good state is step 2; free space and resume", text)
    assert.are.same({}, leftovers "good")
    code, text = runs.program "run --resume good --quiet"
    assert.are.equal(0, code, text)
    assert.are.equal(whole, runs.weights "good")
  end)
  it("and a folder that cannot be made are told before any work", function()
    files.write(runs.root() .. "/file", "")
    local code, text = runs.program(("run %q --data %q --out file/run --quiet"):format(RECIPE, runs.data()))
    assert.are.equal(1, code, text)
    assert.is_truthy(text:find('folder "file" cannot be made: ', 1, true), text)
    assert.is_truthy(text:find("choose another with --out", 1, true), text)
  end)
end)
