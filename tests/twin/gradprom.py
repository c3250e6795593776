"""The strategies of GradProm at `tiny`, written a second time in PyTorch: ten f64 steps a stage.

    rille tests/twin/gradprom.lua DIR           # start weights and batches, whose noise is rille's
    python gradprom.py DIR > ../golden/gradprom.json
"""
import glob, json, sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

from models import ResNetUNet, SRResNet, resnet

MEAN, STD = (torch.tensor(v, dtype=torch.float64).reshape(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
WIDTH = 4


class Reader(nn.Module):
    """ImageNet's normalisation, then a classifier or a segmenter"""

    def __init__(self, task):
        super().__init__()
        self.task = task
        self.net = resnet(18, classes=3 if task == "classify" else 1, width=WIDTH)
        if task == "segment":
            self.net = ResNetUNet(self.net)

    def forward(self, x):
        return self.net((x - MEAN) / STD)

    def loss(self, y, b):
        if self.task == "classify":
            return F.cross_entropy(y, b["label"])
        return F.binary_cross_entropy_with_logits(y, b["mask"])

    def says(self, y):
        return F.softmax(y, 1) if self.task == "classify" else torch.sigmoid(y)

    def target(self, x):
        was = self.training
        self.eval()
        with torch.no_grad():
            y = self(x)
        self.train(was)
        return y


def gated(strategy, lam, losses, theta, phi):
    """eq. 6 with s over all of theta as one vector, each auxiliary on its own; phi by its whole gradient"""
    main = torch.autograd.grad(losses[0], theta, retain_graph=True)
    flat = lambda g: torch.cat([x.flatten() for x in g])
    total, own = [g.clone() for g in main], [torch.zeros_like(p) for p in phi]
    for loss in losses[1:]:
        both = torch.autograd.grad(loss, theta + phi, retain_graph=True, allow_unused=True)
        aux, h = both[: len(theta)], both[len(theta) :]
        a, b = flat(main), flat(aux)
        s = (a @ b / (a.norm() * b.norm())).item()
        weight = {"joint": 1, "frozen": 1, "hard": float(s >= 0), "soft": max(0, s)}[strategy]
        for t, g in zip(total, aux):
            t += lam * weight * g
        for t, g in zip(own, h):
            if g is not None:
                t += g
    return total + own


def together(net, b, strategy, tasks, supervised):
    restored = net.enhancer(b["degraded"])
    losses = [F.mse_loss(restored, b["clean"])]
    if strategy in ("none", "literal"):
        return losses
    for task in tasks:
        reader = net.get_submodule(task)
        y = reader(restored)
        aux = reader.loss(y, b) if supervised else F.mse_loss(reader.says(y), reader.says(reader.target(b["clean"])))
        losses.append(aux)
    return losses


CASES = {  # strategy, tasks, lambda, supervised, phi trained
    "staged": ("hard", ["segment"], 0.5, True, True),
    "none": ("none", ["segment"], 0, True, False),
    "joint": ("joint", ["segment"], 0.5, True, True),
    "frozen": ("frozen", ["segment"], 0.5, True, False),
    "literal": ("literal", ["segment"], 0.5, True, False),
    "hard": ("hard", ["classify"], 0.3, True, True),
    "soft": ("soft", ["classify"], 1, True, True),
    "fixed": ("hard", ["segment"], 0.3, True, False),
    "unsupervised": ("soft", ["segment"], 0.5, False, True),
    "two": ("hard", ["classify", "segment"], 0.3, True, True),
    "degraded": (None, ["classify"], 0, True, True),
    "half": (None, ["segment"], 0, True, False),
}


def stage(net, name, case, files):
    strategy, tasks, lam, supervised, phi_trained = CASES[case]
    readers = [net.get_submodule(task) for task in tasks]
    net.eval()  # frozen parts keep their statistics
    if name.startswith("learn_"):
        trained = [readers[0]]
    else:
        trained = [net.enhancer] + (readers if name == "together" and phi_trained else [])
    for m in trained:
        m.train()
    params = [[p for p in m.parameters()] for m in trained]
    # the recipe's rates: 1e-3, and in the last stage a tenth behind 2/3 of it, a hundredth behind 5/6
    adam, out = torch.optim.Adam(sum(params, []), lr=1e-3), []
    for k, file in enumerate(files):
        b = load_file(file)
        b["label"] = b["label"] - 1
        if name == "together":
            share = k / 10
            adam.param_groups[0]["lr"] = 1e-3 * (0.01 if share >= 5 / 6 else 0.1 if share >= 2 / 3 else 1)
            losses = together(net, b, strategy, tasks, supervised)
        elif name == "warm_up":
            fidelity = F.l1_loss if case == "half" else F.mse_loss
            losses = [fidelity(net.enhancer(b["degraded"]), b["clean"])]
        else:
            losses = [readers[0].loss(readers[0](b["shown" if case == "degraded" else "clean"]), b)]
        if len(losses) > 1:
            grads = gated(strategy, lam, losses, params[0], sum(params[1:], []))
        else:
            grads = torch.autograd.grad(losses[0], sum(params, []))
        for p, g in zip(sum(params, []), grads):
            p.grad = g
        adam.step()
        out.append(sum(losses).item())
    return out


def main(folder):
    out = {}
    for case, (_, tasks, *_) in CASES.items():
        net = nn.Module()
        net.enhancer = SRResNet(2 if case == "half" else 1, WIDTH)
        for task in tasks:
            net.add_module(task, Reader(task))
        net = net.double()
        net.load_state_dict(load_file(f"{folder}/{case}-weights.safetensors"))
        out[case] = {}
        for name in [f"learn_{t}" for t in tasks] + ["warm_up", "together"]:
            files = sorted(glob.glob(f"{folder}/{case}-{name}-*.safetensors"))
            if files:
                out[case][name] = stage(net, name, case, files)
    made = f"tests/twin/gradprom.py with PyTorch {torch.__version__}"
    json.dump({"made_by": made, "f64": out}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
