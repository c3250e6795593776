-- rille's side of parity.py: rille tests/twin/parity.lua MODEL DTYPE DIR reads DIR/weights and DIR/batch,
-- runs three Adam steps, and writes outputs, losses and first gradients to DIR/DTYPE.safetensors.
local rl = require "rille"
local name, dtype, dir = arg[1], arg[2], arg[3]

local b = assert(rl.io.load(dir .. "/batch.safetensors"))
for key, t in pairs(b) do
  if t.dtype ~= "i64" then b[key] = t:to(dtype) end
end

local make = {
  densenet201 = function()
    local m = { densenet = rl.models.densenet201 { classes = 3 } }
    return m, function()
      local y = m.densenet(b.image)
      return y, rl.cross_entropy(y, b.label)
    end
  end,
  res_se_unet = function()
    local m = {
      encoder = rl.models.ResSEEncoder(),
      decoder = rl.models.ResSEDecoder(),
      head = rl.models.SaliencyHead(),
    }
    return m, function()
      local y = m.head(m.decoder(b.f4, m.encoder(b.grey)))
      return y, rl.saliency_kl(y, b.map)
    end
  end,
}

local m, forward = make[name]()
local state = assert(rl.io.load(dir .. "/weights.safetensors"))
local params, names = {}, {}
for part, module in pairs(m) do
  local own = {}
  for key, t in pairs(state) do
    if key:sub(1, #part + 1) == part .. "." then own[key:sub(#part + 2)] = t end
  end
  module:to(dtype)
  module:load_state_dict(own)
  for _, p in ipairs(module:named_parameters()) do
    params[#params + 1], names[#names + 1] = p.tensor, part .. "." .. p.name
  end
end

local adam, out = rl.optim.Adam(params, { lr = 1e-4 }), {}
for step = 0, 2 do
  local y, loss = forward()
  local grads = rl.grads({ loss }, params)[1]
  out["loss" .. step] = loss:detach():reshape { 1 }
  if step == 0 then
    out.y = y:detach():contiguous()
    for i, g in ipairs(grads) do out["grad." .. names[i]] = g:contiguous() end
  end
  adam:step(grads)
end
assert(rl.io.save(("%s/%s.safetensors"):format(dir, dtype), out))
