-- The rille side of parity.py: rille parity.lua NET DTYPE DIR reads weights.safetensors and batch.safetensors
-- in DIR, takes three Adam steps and writes DTYPE.safetensors there: outputs and gradients of the first step,
-- three losses.
local rl = require "rille"
local nn, models = rl.nn, rl.models

local nets = {
  densenet201 = function()
    local m = nn.ModuleDict { densenet = models.densenet201 { classes = 3 } }
    return m, function(b)
      local y = m.densenet(b.image)
      return y, rl.cross_entropy(y, b.label)
    end
  end,
  res_se_unet = function()
    local m = nn.ModuleDict { encoder = models.ResSEEncoder(), decoder = models.ResSEDecoder(),
      head = models.SaliencyHead() }
    return m, function(b)
      local y = m.head(m.decoder(b.f4, m.encoder(b.grey)))
      return y, rl.saliency_kl(y, b.map)
    end
  end,
}

local name, dtype, dir = arg[1], arg[2], arg[3]
local m, run = nn.init.skip(nets[name])
m:to(dtype)
m:load_state_dict(assert(rl.io.load(dir .. "/weights.safetensors")))
local batch = assert(rl.io.load(dir .. "/batch.safetensors"))
for key, t in pairs(batch) do
  if t.dtype == "f64" then batch[key] = t:to(dtype) end
end

local out, adam = {}, rl.optim.Adam(m:parameters(), { lr = 1e-4 })
for step = 0, 2 do
  local y, loss = run(batch)
  adam:zero_grad()
  loss:backward()
  out["loss" .. step] = loss:detach():reshape { 1 }
  if step == 0 then
    out.y = y:detach()
    for _, p in ipairs(m:named_parameters()) do out["grad." .. p.name] = p.tensor.grad:clone() end
  end
  adam:step()
end
assert(rl.io.save(("%s/%s.safetensors"):format(dir, dtype), out))
