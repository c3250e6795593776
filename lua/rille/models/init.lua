-- rl.models: the networks of the published systems. Names of parameters are those of the usual checkpoints.

local files = {
  densenet121 = "densenet", densenet201 = "densenet", DenseNet = "densenet",
  ResNet = "resnet", resnet18 = "resnet", resnet34 = "resnet", resnet50 = "resnet", resnet101 = "resnet",
  ResNetUNet = "resnet_unet",
  Recogniser = "recogniser",
  SRResNet = "sr_resnet",
  ResSEEncoder = "res_se", ResSEDecoder = "decoder", SaliencyHead = "saliency_head",
  FusionClassifier = "fusion",
  APPAUNet = "appau_net", MaskDiscriminator = "mask_discriminator",
  pretrained = "pretrained",
  ContextBottleneck = "context", ContextLevels = "context", LevelMerge = "level_merge",
  Projector = "projector",
  HardSharing = "sharing", CrossStitch = "sharing", MMoE = "sharing", MTAN = "sharing",
  MTUNet = "mt_unet", UNetEncoder = "mt_unet", UNetDecoder = "mt_unet",
}

return setmetatable({}, {
  __index = function(self, name)
    local file = files[name]
    if not file then return nil end
    self[name] = require("rille.models." .. file)[name]
    return self[name]
  end,
})
