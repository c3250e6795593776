-- The heads of self-supervised methods: chains of Linear, BN, ReLU. VICReg (arXiv:2105.04906), SimSiam
-- (arXiv:2011.10566), BYOL (arXiv:2006.07733).

local check = require "rille.util.check"
local nn = require "rille.nn"

local LAST = { "bn", "plain_bn", "linear" }

---projector(x): N x widths[1] -> N x widths[#widths]: [Linear, BN, ReLU] for each step but the last, which is
---Linear with BN ("bn"), with BN without scale and shift ("plain_bn"), or alone ("linear"). Children are
---called "0", "1" ... in files, as in a Sequential.
---@param widths integer[] at least two
---@param opts? { last: string, bias: boolean } default "bn", true; bias = false: none where a BN follows
---@return rille.Sequential
local function Projector(widths, opts)
  local o = check.options("Projector", opts, { last = "bn", bias = true })
  check.word("Projector", "last", o.last, LAST)
  check.boolean("Projector", "bias", o.bias)
  if type(widths) ~= "table" or #widths < 2 then
    error("Projector: widths lists at least two numbers, as { 512, 4096, 4096 }", 2)
  end
  local seq = nn.Sequential()
  for k = 2, #widths do
    local is_last = k == #widths
    local has_norm = not is_last or o.last ~= "linear"
    seq:append(nn.Linear(widths[k - 1], widths[k], { bias = o.bias or not has_norm }))
    if has_norm then
      seq:append(nn.BatchNorm1d(widths[k], { affine = not (is_last and o.last == "plain_bn") }))
    end
    if not is_last then seq:append(nn.ReLU()) end
  end
  return seq
end

return { Projector = Projector }
