-- Every row of the registry, with each of its samples, in every layout: what tests/support/rowchecks.lua
-- asks.
local rl = require "rille"
local cases = require "rille.testing.cases"
local checks = require "support.rowchecks"

local names = {}
for name in pairs(checks) do names[#names + 1] = name end
table.sort(names)

local function described() -- the names that specs in this folder describe
  local found, p = {}, assert(io.popen(("cat %q/tests/ops/*_spec.lua"):format(_G.RILLE_ROOT)))
  for list in p:read("a"):gmatch 'describe%("([%w_, ]+)"' do
    for name in list:gmatch "[%w_]+" do found[name] = true end
  end
  p:close()
  return found
end

local function try(row, sample, number, layout, tally)
  local case = cases.make(row, sample, layout)
  if not case then return end
  tally.cases = tally.cases + 1
  for _, name in ipairs(names) do
    local state = rl.random_state()
    local ok, answer = pcall(checks[name], case)
    rl.random_state(state)
    if not ok then
      tally.wrong[#tally.wrong + 1] = ("%s, sample %d, %s, %s: %s"):format(row.name, number, layout, name,
        answer)
    end
    if answer ~= false then tally.checked = tally.checked + 1 end
  end
end

describe("the registry", function()
  local tally = { cases = 0, checked = 0, rows = 0 }
  for _, row in ipairs(rl.ops) do
    it("holds for " .. row.name, function()
      assert.is_true(row.doc ~= nil and #row.doc > 3, "no doc")
      assert.is_true(row.samples ~= nil, "no samples")
      assert.are_not.equal(row.differentiable, row.no_gradient ~= nil, "a gradient, or a reason why not")
      tally.wrong, tally.rows = {}, tally.rows + 1
      for number, sample in ipairs(cases.parse(row.samples)) do
        for _, layout in ipairs(cases.layouts) do try(row, sample, number, layout, tally) end
      end
      assert.are.equal("", table.concat(tally.wrong, "\n", 1, math.min(12, #tally.wrong)))
    end)
  end
  it("has a spec that describes each row", function()
    local found, missing = described(), {}
    for _, row in ipairs(rl.ops) do
      if not found[row.name] then missing[#missing + 1] = row.name end
    end
    assert.are.equal("", table.concat(missing, " "))
  end)
  it("was walked through", function()
    print(("\nops %d x layouts %d: %d cases, %d checked"):format(tally.rows, #cases.layouts, tally.cases,
      tally.checked))
    assert.is_true(tally.checked > tally.rows)
  end)
end)
