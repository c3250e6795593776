"""The workloads of rille bench in PyTorch: each is made from the weights and the batch that rille wrote, with the
networks of tests/twin/models.py, and gives a function of one step that returns its loss as a number."""
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "twin"))
from kltv import of_mask  # noqa: E402
from kltv_models import APPAUNet, Discriminator, fake_loss, fool_loss  # noqa: E402
from models import Decoder, Head, ResSE, SRResNet, densenet, resnet, saliency_kl  # noqa: E402
from mlvicx import LARS, MLVICX  # noqa: E402


class Side:
    """Settings of PyTorch's side: mode "default", "channels_last" (with the fused Adam) or "compile" (that too)."""

    def __init__(self, mode, weights, batch, bf16=False):
        self.mode, self.weights, self.bf16 = mode, weights, bf16
        self.batch = {k: self.laid(v) for k, v in batch.items()}
        if "label" in batch:
            self.batch["label"] = batch["label"] - 1

    def laid(self, t):
        return t.contiguous(memory_format=torch.channels_last) if self.mode != "default" and t.dim() == 4 else t

    def net(self, name, m, train=True):
        start = {k[len(name) + 1:]: v for k, v in self.weights.items() if k.startswith(name + ".")} if name else self.weights
        m.load_state_dict(start)
        m.train(train).requires_grad_(train)
        return m if self.mode == "default" else m.to(memory_format=torch.channels_last)

    def adam(self, params, lr=1e-4, betas=(0.9, 0.999)):
        return torch.optim.Adam(params, lr=lr, betas=betas, fused=True if self.mode != "default" else None)

    def forward(self, f):
        """f as this side runs it: compiled, or under autocast"""
        f = torch.compile(f) if self.mode == "compile" else f
        if not self.bf16:
            return f

        def cast(*args):
            with torch.autocast("cpu", torch.bfloat16):
                return f(*args)
        return cast


def trained(optimiser, loss):
    def step():
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        return value.item()
    return step


def classification(side, m):
    net, b = side.net("net", m), side.batch
    loss = side.forward(lambda x, label: F.cross_entropy(net(x).float(), label))
    return trained(side.adam(net.parameters()), lambda: loss(b["image"], b["label"]))


def densenet201_train(side):
    return classification(side, densenet(201, classes=1000))


def resnet18_train(side):
    return classification(side, resnet(18))


def densenet201_infer(side):
    net, b = side.net("net", densenet(201, classes=1000), train=False), side.batch
    forward = side.forward(net)

    def step():
        with torch.inference_mode():
            y = forward(b["image"])
        return lambda: F.cross_entropy(y.float(), b["label"]).item()
    return step


def saliency_train(side):
    dense = side.net("densenet", densenet(201), train=False)
    encoder, decoder = side.net("encoder", ResSE()), side.net("decoder", Decoder())
    head, b = side.net("head", Head()), side.batch
    x, grey = b["image"], b["image"].expand(-1, 3, -1, -1)

    def forward(x, grey, g):
        with torch.no_grad():
            f4 = dense.tap(grey)
        return saliency_kl(head(decoder(f4, encoder(x))).float(), g)
    loss = side.forward(forward)
    params = [p for m in (encoder, decoder, head) for p in m.parameters()]
    return trained(side.adam(params, 1e-6), lambda: loss(x, side.laid(grey), b["saliency"]))


def gradprom(side):
    enhancer, b = side.net("enhancer", SRResNet()), side.batch
    recogniser = side.net("recogniser", resnet(50, classes=7))
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    theta, phi = list(enhancer.parameters()), list(recogniser.parameters())
    adams = side.adam(theta), side.adam(phi)

    def forward(x, clean, label):
        better = enhancer(x)
        recognised = F.cross_entropy(recogniser((better - mean) / std).float(), label)
        return F.mse_loss(better.float(), clean), recognised
    losses = side.forward(forward)

    def step():
        mse, recognise = losses(b["image"], b["clean"], b["label"])
        own = torch.autograd.grad(mse, theta, retain_graph=True)
        other = torch.autograd.grad(recognise, theta + phi)
        promoted, h = other[:len(theta)], other[len(theta):]
        dot = sum((g.double() * p.double()).sum() for g, p in zip(own, promoted)).item()
        admit = 1e-4 if dot >= 0 else 0.0
        for p, g in zip(theta + phi, [g + admit * r for g, r in zip(own, promoted)] + list(h)):
            p.grad = g if g.stride() == p.stride() else torch.empty_like(p).copy_(g)  # the fused Adam reads raw memory
        for a in adams:
            a.step()
        return mse.item() + recognise.item()
    return step


def kltv(side):
    s, d, b = side.net("segmentor", APPAUNet()), side.net("discriminator", Discriminator(2, dropout=0)), side.batch
    x, n = side.laid(torch.cat([b["image"], b["more"]])), len(b["image"])
    adam_s, adam_d = (side.adam(m.parameters(), 1e-6, (0.5, 0.999)) for m in (s, d))

    def judged(x, p, image, mask, z):
        made, real = d(x, p).float(), d(image, mask).float()
        return F.cross_entropy(real, z) + fake_loss(made[:n]) + fake_loss(made[n:])

    def drawn(x, mask):
        logits = s(x)[0]
        kltv = sum(of_mask("kltv", o[:n].float(), mask).mean() for o in logits) / len(logits)
        return kltv + 0.01 * fool_loss(d(x, torch.sigmoid(logits[0])).float())
    prediction, judged, drawn = side.forward(lambda x: torch.sigmoid(s(x)[0][0])), side.forward(judged), side.forward(drawn)

    def judge():
        with torch.no_grad():
            p = prediction(x)
        return judged(x, p, b["image"], b["mask"], b["label"])
    first, second = trained(adam_d, judge), trained(adam_s, lambda: drawn(x, b["mask"]))

    def step():
        d.requires_grad_(True)
        value = first()
        d.requires_grad_(False)
        return value + second()
    return step


def mlvicx(side, width=512):
    """As written: maps of 64 x 64, covariances K x K; rille's side may do otherwise, to the same losses."""
    net, b = side.net("", MLVICX(1, layers=(2, 2, 2, 2), widths=(64, 64, 128, 256, 512), width=width, merge=512)), side.batch
    loss = side.forward(lambda x, y: net.loss({"view1": x, "view2": y}))
    lars = LARS(list(net.parameters()))

    def step():
        for p in net.parameters():
            p.grad = None
        value = loss(b["view1"], b["view2"])
        value.backward()
        lars.step(1e-3)
        return value.item()
    return step


mlvicx_straight = mlvicx


def mlvicx_4096(side):
    return mlvicx(side, 4096)


def mlp(side):
    net, b = side.net("net", nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))), side.batch
    loss = side.forward(lambda x, label: F.cross_entropy(net(x), label))
    return trained(torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9), lambda: loss(b["x"], b["label"]))


def conv3x3(side):
    net, b = side.net("net", nn.Conv2d(64, 64, 3, padding=1)), side.batch
    x, forward = b["x"].requires_grad_(), side.forward(net)

    def step():
        y = forward(x)
        grads = torch.autograd.grad(y, [x, net.weight, net.bias], b["seed"])
        return lambda: ((y.detach() * b["seed"]).mean() + grads[1].square().mean()).item()
    return step


def add(side):
    a, b = side.batch["a"], side.batch["b"]

    def step():
        with torch.no_grad():
            torch.add(a, b)
    return step


def serve(name, folder, mode, bf16, threads):
    """Answers as serve.lua does: "step N" and "end"."""
    import json
    import resource
    import time

    from safetensors.torch import load_file
    torch.set_num_threads(threads)
    weights = os.path.join(folder, "weights.safetensors")
    side = Side(mode, load_file(weights) if os.path.exists(weights) else {},
                load_file(os.path.join(folder, "batch.safetensors")), bf16)
    step = globals()[name](side)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        word, _, n = line.strip().partition(" ")
        if word == "end":
            break
        began, value = time.perf_counter(), None
        for _ in range(int(n)):
            value = step()
        took = (time.perf_counter() - began) / int(n)
        print(json.dumps({"seconds": took, "loss": value() if callable(value) else value}), flush=True)
    print(json.dumps({"rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "bf16", int(sys.argv[5]))
