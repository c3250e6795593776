local core = require "rille.core"
local files = require "support.files"
local runs = require "support.runs"

describe("a run that stops and goes on", function()
  local whole
  setup(function()
    runs.train(runs.new "whole")
    whole = runs.weights "whole"
  end)
  teardown(runs.clean)

  it("ends with the same bytes after a stop at any step", function()
    for _, stop in ipairs { 1, 4, 6, 7, 12 } do
      local name = "stop" .. stop
      assert.is_false((runs.train_until(runs.new(name), stop)))
      assert.is_true((runs.train(runs.resume(name))))
      assert.are.equal(whole, runs.weights(name))
    end
  end)
  it("ends with the same bytes when it is stopped again and again", function()
    runs.train_until(runs.new "often", 2)
    for step = 5, 11, 3 do runs.train_until(runs.resume "often", step) end
    runs.train(runs.resume "often")
    assert.are.equal(whole, runs.weights "often")
  end)
  it("ends with the same bytes on one thread and on two", function()
    local before = core.threads()
    for n = 1, 2 do
      core.threads(n)
      runs.train(runs.new("threads" .. n))
      assert.are.equal(whole, runs.weights("threads" .. n))
    end
    core.threads(before)
  end)
  it("differs with another seed", function()
    runs.train(runs.new("seed", { seed = 2 }))
    assert.are_not.equal(whole, runs.weights "seed")
  end)
  it("sets a damaged checkpoint aside, uses the one before, and loses nothing", function()
    runs.train_until(runs.new "damaged", 6)
    local dir = runs.root() .. "/damaged/checkpoints/"
    local newest = dir .. "state-000005.safetensors"
    local bytes = files.read(newest)
    files.write(newest, files.patch(bytes, #bytes - 3, bytes:byte(#bytes - 3) ~ 1))
    runs.train(runs.resume "damaged")
    assert.are.equal(whole, runs.weights "damaged")
    assert.is_truthy(require "lfs".attributes((newest:gsub("%.safetensors$", ".bad"))))
  end)
  it("survives kill -9 in the middle of a step", function()
    local line = ("run %q --preset tiny --data %q --out killed --quiet"):format(runs.RECIPE, runs.data())
    for step = 2, 12, 5 do
      local go_on = step == 2 and line or "run --resume killed --checkpoint-steps 2 --quiet"
      local code, text = runs.program(go_on, ("RILLE_TEST_KILL='9 %d'"):format(step))
      assert.are.equal(137, code, text)
    end
    local code, text = runs.program "run --resume killed --quiet"
    assert.are.equal(0, code, text)
    assert.are.equal(files.read(runs.root() .. "/killed/metrics.json"):match '"weights_crc":"%x+"',
      ('"weights_crc":"%08x"'):format((core.crc32_file(runs.root() .. "/killed/weights.safetensors"))))
    local code2 = runs.program((line:gsub("killed", "unkilled")))
    assert.are.equal(0, code2)
    assert.are.equal(runs.weights "unkilled", runs.weights "killed")
  end)
  it("saves and exits 130 on SIGINT and on SIGTERM", function()
    for k, signal in ipairs { "INT", "TERM", "INT INT" } do -- twice: the step is given up
      local out = "asked" .. k
      local line = ("run %q --preset tiny --data %q --out %s --quiet"):format(runs.RECIPE, runs.data(), out)
      local code, text = runs.program(line, ("RILLE_TEST_KILL='%s 5'"):format(signal))
      assert.are.equal(130, code, text)
      local saved = ("saved at step %d, go on with --resume %s"):format(k < 3 and 5 or 4, out)
      assert.is_truthy(text:find(saved, 1, true), text)
      assert.are.equal(0, (runs.program("run --resume " .. out .. " --quiet")))
      assert.are.equal(runs.weights "unkilled", runs.weights(out))
    end
  end)
  it("answers SIGINT between two batches of a validation, of a cache that fills, of the scoring", function()
    for where, text in pairs { val = "saved at step 3", cache = "saved at step 6",
      test = "interrupted while scoring; the weights are whole" } do
      local line = ("run %q --preset tiny --data %q --out at_%s --quiet"):format(runs.RECIPE, runs.data(),
        where)
      local code, said = runs.program(line, ("RILLE_TEST_KILL='INT %s'"):format(where))
      assert.are.equal(130, code, said)
      assert.is_truthy(said:find(text, 1, true), said)
      assert.is_truthy(said:find("go on with --resume at_" .. where, 1, true), said)
      code, said = runs.program("run --resume at_" .. where .. " --quiet")
      assert.are.equal(0, code, said)
      assert.are.equal(runs.weights "unkilled", runs.weights("at_" .. where))
      assert.are.equal(files.read(runs.root() .. "/unkilled/predictions.csv"),
        files.read(runs.root() .. "/at_" .. where .. "/predictions.csv"))
    end
  end)
  it("ends with the same bytes under rates that follow plateaus and warm up", function()
    local file, text = runs.root() .. "/rates.lua", files.read(runs.RECIPE)
    for k, rate in ipairs { "rl.schedule.plateau(1e-2, { patience = 0, threshold = 0.5 })",
      "rl.schedule.warmup_cosine(1e-2, 2, 6)" } do
      files.write(file, (text:gsub('"Adam", lr = 1e%-2 }, { epochs = 2 }',
        function() return ('"Adam", lr = %s }, { epochs = 3 }'):format(rate) end)))
      local function new(name) return runs.new(name .. k, { recipe = file }) end
      assert.is_true((runs.train(new "rated")))
      local rates = {}
      for lr in files.read(runs.root() .. "/rated" .. k .. "/log.jsonl"):gmatch '"lr":([%d.e-]+)' do
        rates[#rates + 1] = tonumber(lr)
      end
      if k == 1 then assert.is_close({ 1e-2, 1e-2, 1e-3 }, { rates[1], rates[6], rates[7] }, 1e-9) end
      if k == 2 then assert.is_close({ 0, 5e-3, 1e-2 }, { rates[1], rates[2], rates[3] }, 1e-9) end
      for _, stop in ipairs { 3, 5, 7 } do
        runs.train_until(new("rest" .. stop), stop)
        assert.is_true((runs.train(runs.resume("rest" .. stop .. k))))
        assert.are.equal(runs.weights("rated" .. k), runs.weights("rest" .. stop .. k))
      end
    end
  end)
  it("keeps a second process off a run at work", function()
    local run = runs.new "locked"
    local code, text = runs.program "run --resume locked --quiet"
    assert.are.equal(1, code)
    assert.is_truthy(text:find("is at work in process", 1, true), text)
    runs.train_until(run, 1)
  end)
end)
