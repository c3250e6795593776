local evaluate = require "rille.run.evaluate"
local figures = require "rille.run.figures"
local files = require "support.files"
local kinds = require "rille.run.kinds"
local rl = require "rille"
local scores = require "rille.run.scores"

local function gathered(watch, y, batch, is_full)
  local gather = scores.gather(watch, { classes = { "a", "b" } }, is_full)
  gather:take(y, batch)
  return gather.rows, gather:summary()
end

describe("kinds of outputs", function()
  it("score masks by the logit's sign or by the larger of two, images without a mask by nothing", function()
    local logit = rl.tensor { { { { 1, 1 }, { -1, -1 } } }, { { { 1, 1 }, { 1, 1 } } } }
    local mask = rl.tensor { { { { 1, 0 }, { 0, 0 } } }, { { { 0, 0 }, { 0, 0 } } } }
    local batch = { file = { "p", "q" }, mask = mask,
      has_mask = rl.tensor({ 1, 0 }, { dtype = "bool" }), image = rl.zeros { 2, 1, 2, 2 } }
    local rows, means = gathered({ segment = "y" }, { y = logit }, batch, true)
    assert.is_close({ 2 / 3, 1 / 2, 1, 2 / 3, 1 / 2 }, { rows[1].dice, rows[1].iou, rows[1].sensitivity,
      rows[1].specificity, rows[1].mask_precision }, 1e-12)
    assert.is_truthy(rows[1].hd95)
    assert.is_nil(rows[2].dice)
    assert.are.equal(rows[1].dice, means.dice)
    local two = rl.cat({ rl.zeros { 2, 1, 2, 2 }, logit }, 2)
    assert.are.same(rows[1], gathered({ segment = "y" }, { y = two }, batch, true)[1])
    assert.error_matches(function() gathered({ segment = "y" }, { y = rl.zeros { 2, 3, 2, 2 } }, batch) end,
      'output "y" is 2x3x2x2; it must be images x 1 x H x W', nil, true)
  end)
  it("score restored images against the image, or against another output", function()
    local batch = { file = { "p" }, image = rl.full({ 1, 1, 12, 12 }, 0.5) }
    local y = { up = rl.full({ 1, 1, 12, 12 }, 0.6), clean = rl.full({ 1, 1, 12, 12 }, 0.61) }
    local rows = gathered({ restore = "up" }, y, batch)
    assert.is_close({ 20 }, { rows[1].psnr }, 1e-5)
    rows = gathered({ restore = { "up", truth = "clean" } }, y, batch)
    assert.is_close({ 40 }, { rows[1].psnr }, 1e-3)
    y.up = rl.zeros { 1, 1, 6, 6 }
    assert.error_matches(function() gathered({ restore = "up" }, y, batch) end,
      'output "up" is 1x1x6x6; it must be as the original, 1x1x12x12', nil, true)
  end)
  it("score several findings per image, each on the images whose label is known", function()
    local logits = rl.tensor { { 2, -1 }, { 1, 3 }, { -1, 0 }, { 0, -2 } }
    local batch = { file = { "a", "b", "c", "d" },
      labels = rl.tensor { { 1, 0 }, { 0, 1 }, { 0, -1 }, { 1, 0 } }, image = rl.zeros { 4, 1, 2, 2 } }
    local rows, means = gathered({ multilabel = "y" }, { y = logits }, batch)
    assert.is_close({ (0.75 + 1) / 2 }, { means.auc }, 1e-12)
    assert.is_close({ ((1 + 2 / 3) / 2 + 1) / 2 }, { means.ap }, 1e-12)
    local out = figures.of(rows, {}, { "small", "large" })
    assert.are.equal("large", out.findings[2].name)
    assert.are.equal(3, out.findings[2].n)
    assert.is_close({ 0.5, 0.75 }, { out.findings[1].prevalence, out.findings[1].auc }, 1e-12)
    assert.is_truthy(out.findings[1].auc_interval[1] <= 0.75)
    local path = os.tmpname()
    evaluate.write_csv(path, rows, {}, { "small", "large" })
    assert.is_truthy(files.read(path):find("^file,p_small,p_large\n"))
    os.remove(path)
  end)
  it("are named by the recipe, and refused with the nearest", function()
    assert.are.equal("segment", kinds.giver "dice")
    assert.is_true(kinds.is_higher_better "psnr")
    assert.is_false(kinds.is_higher_better "hd95")
    assert.is_false(kinds.is_higher_better "ce")
    assert.error_matches(function() kinds.check("watch", { segmen = "y" }) end, 'did you mean "segment"')
    assert.error_matches(function() kinds.check("watch", { segment = 1 }) end, "is the name of an output")
    assert.error_matches(function() kinds.check("report", { classify = "a", multilabel = "b" }) end,
      "exclude each other")
  end)
end)
