"""Prints the numbers that tests/models/forward_spec.lua expects of the ResNets, their U-Net and SR-ResNet: outputs, gradients and
statistics as codes, with weights and inputs by the formulas of tests/support/formula.lua, in f64."""
import math

import torch
from models import ResNet, ResNetUNet, SRResNet, resnet

torch.set_default_dtype(torch.float64)


def wave(p, shape, scale=1.0, shift=0.0):
    i = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
    return (torch.sin(i * 1.3 * p + p) * scale + shift).reshape(shape)


def code(t):
    t = t.detach().reshape(-1)
    return (t * torch.cos(torch.arange(1, t.numel() + 1, dtype=torch.float64))).sum().item()


def filled(m):
    params = dict(m.named_parameters())
    with torch.no_grad():
        for p, (name, t) in enumerate(m.state_dict().items(), 1):
            if name in params:
                fan = math.prod(t.shape[1:])
                t.copy_(wave(p, t.shape, *((0.3, 0.8) if t.dim() == 1 else ((2 / fan) ** 0.5, 0))))
    return m


def gradients(m):
    return sum(code(p.grad) * math.cos(i) for i, p in enumerate(m.parameters(), 1))


def show(name, m, x, seed, statistics):
    y = m(x)
    (y * wave(seed, y.shape)).sum().backward()
    print(name, [code(y), gradients(m), code(m.state_dict()[statistics])])


if __name__ == "__main__":
    x = wave(7, (2, 3, 32, 32), 1, 0.5)
    show("basic", filled(ResNet((1, 1, 2, 1), 1, classes=3)), x, 3, "layer3.1.bn2.running_var")
    show("bottleneck", filled(ResNet((1, 1, 1, 1), 4, classes=3)), x, 3, "layer2.0.downsample.1.running_var")
    for u in (1, 2):
        m = filled(SRResNet(u, 8, 2))
        show(f"sr x{u}", m, wave(7, (2, 3, 12, 10), 0.3, 0.5), 3, "block3.bn2.running_var")
    show("unet", filled(ResNetUNet(ResNet((1, 1, 1, 1), 1), 2, True)), x, 3, "step2.bn2.running_var")
    for depth in (18, 50, 101):
        print("unet", depth, sum(p.numel() for p in ResNetUNet(resnet(depth)).parameters()))
