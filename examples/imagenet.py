"""ImageNet weights for a recipe, as torchvision has them: names stay as they are. Needs torchvision and safetensors.

    python examples/imagenet.py densenet121 densenet121.safetensors
    build/rille run cooperative --set weights=densenet121.safetensors      (densenet201 for --preset paper)
"""
import sys
import torchvision
from safetensors.torch import save_file

name, file = sys.argv[1:3]
state = torchvision.models.get_model(name, weights="DEFAULT").state_dict()
save_file({key: tensor.contiguous() for key, tensor in state.items()}, file)
