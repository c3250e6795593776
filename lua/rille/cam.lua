-- rl.cam: where a network looks. Class activation maps (Zhou et al., arXiv:1512.04150), Grad-CAM (Selvaraju
-- et al., arXiv:1610.02391) and guided backpropagation (Springenberg et al., arXiv:1412.6806). Networks are
-- given in evaluation mode; frozen ones will do. What is explained, `of`, is a class per image (i64 tensor N,
-- from 1) of logits N x classes, or weights in the logits' own shape, as the mask of N x 1 x H x W.

local core = require "rille.core"
local check = require "rille.util.check"
local custom = require "rille.custom"
local fused = require "rille.nn.fused"

local cam = {}

-- The sum over images of what is explained: the score before any softmax, so that images stay apart.
local function score(who, logits, of)
  if not core.is_tensor(logits) then error(who .. ": the network must give logits, a tensor", 3) end
  local s = logits.shape
  if of.dtype ~= "i64" then
    if check.shape_text(of) ~= check.shape_text(s) then
      error(("%s: weights of %s for logits of %s"):format(who, check.shape_text(of), check.shape_text(s)), 3)
    end
    return (logits * of:to(logits.dtype)):sum()
  end
  if #s ~= 2 or of:numel() ~= s[1] then
    error(("%s: one class per image goes with logits images x classes, not %s"):format(who,
      check.shape_text(s)), 3)
  end
  return (logits * core.one_hot(of, s[2], { dtype = logits.dtype })):sum()
end

local function leaf(x)
  x = x:detach()
  x.requires_grad = true
  return x
end

---Class activation maps of a network that ends in the mean over pixels and one linear layer:
---sum_k weight[class][k] maps[k].
---@param maps rille.Tensor N x K x h x w, the last maps
---@param weight rille.Tensor classes x K, of the linear layer
---@param of rille.Tensor i64 N, a class per image
---@return rille.Tensor N x 1 x h x w
function cam.cam(maps, weight, of)
  local s, rows = maps.shape, core.index_select(weight:detach(), of, 1)
  if rows.shape[2] ~= s[2] then
    error(("cam.cam: the layer reads %d channels, the maps have %d"):format(rows.shape[2], s[2]), 2)
  end
  return (maps:detach() * rows:reshape { s[1], s[2], 1, 1 }):sum { dim = { 2 }, keepdim = true }
end

---Grad-CAM: relu(sum_k alpha_k maps[k]), alpha_k the mean over pixels of dscore/dmaps[k].
---@param maps rille.Tensor N x K x h x w of any layer
---@param head fun(maps: rille.Tensor): rille.Tensor from these maps to the logits
---@param of rille.Tensor what is explained
---@return rille.Tensor N x 1 x h x w
function cam.grad_cam(maps, head, of)
  maps = leaf(maps)
  local slope = core.grad(score("cam.grad_cam", head(maps), of), maps)
  local alpha = slope:mean { dim = { -2, -1 }, keepdim = true }
  return core.relu((maps:detach() * alpha):sum { dim = { 2 }, keepdim = true })
end

-- Going back, a unit passes what is positive only, where it was on.
local guided_relu = custom {
  name = "guided_relu",
  forward = function(ctx, x)
    local y = core.relu(x)
    ctx:save(y)
    return y
  end,
  backward = function(ctx, dy) return core.relu(dy) * ctx:saved():gt(0):to(dy.dtype) end,
}

---Guided backpropagation: the slope of the score in the image, where every ReLU passes positive slopes only.
---@param net fun(image: rille.Tensor): rille.Tensor from images to logits; its ReLUs are those of rl.nn
---@param image rille.Tensor N x C x H x W
---@param of rille.Tensor what is explained
---@return rille.Tensor N x C x H x W
function cam.guided(net, image, of)
  image = leaf(image)
  local off, relu = fused.off, fused.relu
  fused.off, fused.relu = true, guided_relu
  local ok, logits = pcall(net, image)
  fused.off, fused.relu = off, relu
  if not ok then error(logits, 0) end
  return core.grad(score("cam.guided", logits, of), image)
end

---Maps as pictures: each brought to [0, 1] by its least and largest value (a constant map: 0), then by
---bilinear upsampling to the size of others.
---@param maps rille.Tensor N x 1 x h x w
---@param like rille.Tensor ... x H x W
---@return rille.Tensor N x 1 x H x W
function cam.picture(maps, like)
  local s, size = maps.shape, like.shape
  local flat = maps:detach():reshape { s[1], s[3] * s[4] }
  local lo = flat:min { dim = -1, keepdim = true }
  local span = flat:max { dim = -1, keepdim = true } - lo
  flat = (flat - lo) / (span + span:eq(0):to(span.dtype))
  return core.interpolate(flat:reshape(s), { size = { size[#size - 1], size[#size] }, mode = "bilinear" })
end

return cam
