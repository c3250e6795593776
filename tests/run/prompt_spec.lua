local files = require "support.files"
local Journal = require "rille.run.journal"
local prompt = require "rille.run.prompt"
local runs = require "support.runs"

-- Trains with a prompt before step 3 at which these lines are typed; returns what it printed.
local function with_prompt(name, lines, stop_at)
  local said, answer = {}, nil
  local ok, why = runs.train(runs.new(name), function(run)
    if run.position.run_step == 2 and not answer then
      local i = 0
      answer = prompt.open(run, { read = function()
        i = i + 1
        return lines[i]
      end, out = function(text) said[#said + 1] = text end })
    end
    if stop_at and run.position.run_step >= stop_at then error({ stopped = true }, 0) end
  end)
  assert.is_true(stop_at ~= nil or ok, tostring(why))
  return table.concat(said, "\n"), answer
end

describe("the prompt in a run", function()
  local plain
  setup(function()
    runs.train(runs.new "plain")
    plain = runs.weights "plain"
  end)
  teardown(runs.clean)

  it("shows live things and changes nothing by looking", function()
    local said, answer = with_prompt("look", { "y.class.shape", "batch.file[1]", "losses.ce > 0",
      "rl.randn({ 2 }).shape", "params['gaze.bias'].shape", "run:gradients()['class.weight'].shape",
      "run:gradients('ce')['class.bias']:sum():abs():item() < 1e-6", "run:gradients 'kl'", "run.step",
      "models.class", "nothing.at.all", "y.gone" })
    assert.are.equal("continue", answer)
    assert.is_truthy(said:find("{ 4, 3 }\nimages/", 1, true), said)
    -- the gradient of the last bias is softmax minus labels: it sums to 0
    assert.is_truthy(said:find("true\n{ 2 }\n{ 1 }\n{ 3, 2 }\ntrue\n", 1, true), said)
    assert.is_truthy(said:find('error: there is no "kl", did you mean "ce"?\n2\n', 1, true), said)
    assert.is_truthy(said:find("error: attempt to index a nil value", 1, true), said)
    assert.is_truthy(said:find('there is no output "gone"', 1, true), said)
    assert.are.equal(plain, runs.weights "look")
  end)
  it("sets what is allowed, and says what is not", function()
    local said = with_prompt("set", { 'run:set("stages.class.losses.ce", 0.5)',
      'run:set("stages.clas.losses.ce", 1)',
      'run:set("stages.class.losses.cee", 1)', 'run:set("options.width", 1)',
      'run:set("data.augment.flip", 0)',
      'run:set("stages.class.optimiser.weight_decay", 1)', 'run:set("stages.class.batch", 2)',
      'run:set("stages.class.trains", "clas.")', 'run:set("stages.gaze.trains", "gazes.")',
      'run:set("stages.class.losses.ce", function() return 0 / 0 end)',
      'run:set("stages.class.ends", { epochs = 0 })',
      'run:set("stages.joint.gate", "cosin")' })
    assert.is_truthy(said:find('there is no "clas", did you mean "class"', 1, true), said)
    assert.is_truthy(said:find('there is no "cee", did you mean "ce"', 1, true), said)
    assert.is_truthy(said:find('"options.width" cannot change in a run', 1, true), said)
    assert.is_truthy(said:find('"data.augment.flip" cannot change in a run', 1, true), said)
    assert.is_truthy(said:find("of an optimiser only lr can change in a run", 1, true), said)
    assert.is_truthy(said:find('"stages.class.batch": there is no "batch"; there are losses', 1, true), said)
    assert.is_truthy(said:find('stages.class.trains: "clas.": there is no "clas."', 1, true), said)
    assert.is_truthy(said:find('stages.gaze.trains: "gazes.": there is no "gazes."', 1, true), said)
    assert.is_truthy(said:find("must give a finite number", 1, true), said)
    assert.is_truthy(said:find("a whole number from 1 on", 1, true), said)
    assert.is_truthy(said:find('there is no "cosin"', 1, true), said)
    local entries, _, is_whole = Journal.read(runs.root() .. "/set/journal.jsonl")
    assert.is_true(is_whole)
    assert.are.equal("stages.class.losses.ce", entries[1].path)
    assert.are.equal(0.5, entries[1].value)
    assert.are.equal(2, entries[1].step)
    assert.are_not.equal(plain, runs.weights "set")
  end)
  local changes = {
    data = { 'run:set("stages.class.losses.ce", 0.5)' },
    code = { "function half(step) return step > 4 and 0.5 or 1 end",
      'run:set("stages.class.losses.ce", half)' },
    trains = { 'run:set("stages.class.trains", "class.")' },
    later = { 'run:set("stages.joint.gate", "none")', 'run:set("stages.joint.optimiser.lr", 1e-2)' },
    values = { 'params["class.bias"]:mul_(0.5)' },
  }
  for name, lines in pairs(changes) do
    it("keeps a change when the run is resumed: " .. name, function()
      with_prompt(name, lines)
      with_prompt(name .. "2", lines, 4)
      assert.is_true((runs.train(runs.resume(name .. "2"))))
      assert.are.equal(runs.weights(name), runs.weights(name .. "2"))
      if name ~= "later" then assert.are_not.equal(plain, runs.weights(name)) end
    end)
  end
  it("trains other parameters with fresh moments, and keeps the moments of those that stay", function()
    local before
    local function first(run) return run.parts[1].optimiser:state_dict().tensors end
    local ok = runs.train(runs.new "moments", function(run)
      local at, i = run.position.run_step, 0
      if at ~= 2 then return end
      before = first(run)["class.bias.exp_avg"]:clone()
      prompt.open(run, { out = function() end, read = function()
        i = i + 1
        return ({ 'run:set("stages.class.trains", "class. gaze.")' })[i]
      end })
      local now = first(run)
      assert.are.same(before:tolist(), now["class.bias.exp_avg"]:tolist())
      assert.is_nil(now["gaze.bias.exp_avg"]) -- made as zeros at its first step
      assert.is_nil(now["encoder.0.bias.exp_avg"])
      assert.is_true(run.models.gaze:parameters()[1].requires_grad)
      assert.is_false(run.models.encoder:parameters()[1].requires_grad)
    end)
    assert.is_true(ok)
    assert.is_truthy(before)
  end)
  it("refuses to resume with another journal", function()
    with_prompt("forged", changes.data, 4)
    local path = runs.root() .. "/forged/journal.jsonl"
    files.write(path, (files.read(path):gsub("0%.5", "0.7")))
    assert.error_matches(function() runs.resume "forged" end, "was changed since the checkpoint")
  end)
  it("leaves with run:stop and with Ctrl-C", function()
    local _, answer = with_prompt("stop", { "run:stop()" }, 2)
    assert.are.equal("stop", answer)
    _, answer = with_prompt("interrupt", { false }, 2)
    assert.are.equal("interrupted", answer)
  end)
end)
