"""The methods and modes of MLVICX's recipes at `tiny`, a second time in PyTorch: losses of ten f64 steps.

    rille tests/twin/mlvicx.lua DIR        # start weights and batches
    python mlvicx.py DIR > ../golden/mlvicx.json
"""
import glob, json, math, sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

from models import ResNet

WIDTHS, WIDTH, MERGE, CLASSES = (8, 8, 16, 32, 64), 16, 8, 3
EPOCHS, WARM, LR, BATCH, TAU = 3, 1, 2.0, 6, 0.99


class Encoder(ResNet):
    def __init__(self, layers=(1, 1, 1, 1), width=8):
        super().__init__(layers, 1, width=width)
        del self.fc

    def level(self, k, x):
        if k == 1:
            return F.relu(self.bn1(self.conv1(x.expand(-1, 3, -1, -1))))
        return getattr(self, f"layer{k - 1}")(F.max_pool2d(x, 3, 2, 1) if k == 2 else x)

    def forward(self, x):
        for k in range(1, 6):
            x = self.level(k, x)
        return x.mean((2, 3))


class Bottleneck(nn.Module):
    def __init__(self, c, spatial):
        super().__init__()
        self.channel = nn.Sequential(nn.Conv2d(c, c // 2, 1, bias=False), nn.ReLU(), nn.Conv2d(c // 2, c, 1, bias=False))
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False) if spatial else None

    def forward(self, y):
        y = torch.sigmoid(self.channel(F.adaptive_avg_pool2d(y, 1)) + self.channel(F.adaptive_max_pool2d(y, 1))) * y
        if self.spatial is None:
            return y
        return torch.sigmoid(self.spatial(torch.cat([y.mean(1, keepdim=True), y.amax(1, keepdim=True)], 1))) * y


def mlp(*widths, last="bn", bias=True):
    layers = []
    for k in range(1, len(widths)):
        end = k == len(widths) - 1
        norm = not end or last != "linear"
        layers.append(nn.Linear(widths[k - 1], widths[k], bias=bias or not norm))
        if norm:
            layers.append(nn.BatchNorm1d(widths[k], affine=not (end and last == "plain_bn")))
        if not end:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def terms(a, b):
    """invariance, variance, covariance as VICReg's own code has them"""
    out = [F.mse_loss(a, b), 0, 0]
    for x in (a, b):
        x = x - x.mean(0)
        out[1] = out[1] + F.relu(1 - torch.sqrt(x.var(0) + 1e-4)).mean() / 2
        cov = x.T @ x / (len(x) - 1)
        out[2] = out[2] + (cov - torch.diag(torch.diag(cov))).square().sum() / x.shape[1]
    return 25 * out[0] + 25 * out[1] + out[2]


class MLVICX(nn.Module):
    def __init__(self, weight, spatial=True, layers=(1, 1, 1, 1), widths=WIDTHS, width=WIDTH, merge=MERGE):
        super().__init__()
        self.encoder, self.weight = Encoder(layers, widths[0]), weight
        self.context, self.merge = nn.Module(), nn.Module()
        for k, c in enumerate(widths, 1):
            self.context.add_module(f"level{k}", Bottleneck(c, spatial))
            self.merge.add_module(f"conv{k}", nn.Conv2d(c, merge, 1))
        self.projector = mlp(widths[-1], width, width, width)
        self.level_projector = mlp(16 * merge, width, width, width)

    def embed(self, x):
        total = 0
        for k in range(1, 6):
            x = getattr(self.context, f"level{k}")(self.encoder.level(k, x))
            total = total + getattr(self.merge, f"conv{k}")(F.interpolate(x, size=(64, 64), mode="bilinear"))
        return self.projector(x.mean((2, 3))), self.level_projector(F.adaptive_avg_pool2d(total, 4).flatten(1))

    def loss(self, b):
        (z1, d1), (z2, d2) = self.embed(b["view1"]), self.embed(b["view2"])
        return terms(z1, z2) + self.weight * terms(d1, d2)


class VICReg(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.projector = Encoder(), mlp(64, WIDTH, WIDTH, WIDTH, last="linear")

    def loss(self, b):
        return terms(*(self.projector(self.encoder(b[v])) for v in ("view1", "view2")))


class SimSiam(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.projector = mlp(64, WIDTH, WIDTH, WIDTH, last="plain_bn", bias=False)
        self.predictor = mlp(WIDTH, WIDTH // 4, WIDTH, last="linear", bias=False)

    def loss(self, b):
        z = [self.projector(self.encoder(b[v])) for v in ("view1", "view2")]
        p = [self.predictor(x) for x in z]
        return -(F.cosine_similarity(p[0], z[1].detach()).mean() + F.cosine_similarity(p[1], z[0].detach()).mean()) / 2


class BYOL(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.target = Encoder(), Encoder()
        self.projector, self.target_projector = (mlp(64, 2 * WIDTH, WIDTH, last="linear") for _ in range(2))
        self.predictor = mlp(WIDTH, 2 * WIDTH, WIDTH, last="linear")

    def loss(self, b):
        views = [b["view1"], b["view2"]]
        p = [F.normalize(self.predictor(self.projector(self.encoder(x)))) for x in views]
        with torch.no_grad():
            t = [F.normalize(self.target_projector(self.target(x))) for x in views]
        return ((p[0] - t[1]).square().sum(1) + (p[1] - t[0]).square().sum(1)).mean()

    @torch.no_grad()
    def after(self, step, per_epoch):
        keep = 1 - (1 - TAU) * (math.cos(math.pi * step / (EPOCHS * per_epoch)) + 1) / 2
        for mine, other in ((self.target, self.encoder), (self.target_projector, self.projector)):
            for t, p in zip(mine.parameters(), other.parameters()):
                t.copy_(keep * t + (1 - keep) * p)


class Probe(nn.Module):
    def __init__(self, whole):
        super().__init__()
        self.encoder, self.head, self.whole = Encoder(), nn.Linear(64, CLASSES), whole

    def loss(self, b):
        self.encoder.train(self.whole)
        return F.cross_entropy(self.head(self.encoder(b["image"])), b["label"])


class LARS:
    """As VICReg's released code: 1-d parameters take neither decay nor adaptation."""

    def __init__(self, params, eta=0.001, momentum=0.9, decay=1e-6):
        self.params, self.eta, self.momentum, self.decay = params, eta, momentum, decay
        self.buffers = [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self, lr):
        for p, m in zip(self.params, self.buffers):
            g = p.grad
            if p.ndim > 1:
                g = g + self.decay * p
                a, b = p.norm(), g.norm()
                g = g * (self.eta * a / b if a > 0 and b > 0 else 1)
            m.mul_(self.momentum).add_(g)
            p.sub_(lr * m)


def warm_cosine(t, per_epoch):
    base, warm, total = LR * BATCH / 256, WARM * per_epoch, EPOCHS * per_epoch
    if t < warm:
        return base * t / warm
    q = 0.5 * (1 + math.cos(math.pi * (t - warm) / total))
    return base * q + 0.001 * base * (1 - q)


def pretrain(net, batches):
    trained = [p for n, p in net.named_parameters() if not n.startswith("target")]
    lars, out, per_epoch = LARS(trained), [], 4
    for t, b in enumerate(batches):
        for p in trained:
            p.grad = None
        loss = net.loss(b)
        loss.backward()
        lars.step(warm_cosine(t, per_epoch))
        if hasattr(net, "after"):
            net.after(t + 1, per_epoch)
        out.append(loss.item())
    return out


def downstream(net, batches, base):
    trained = list((net if net.whole else net.head).parameters())
    adam, out = torch.optim.AdamW(trained, lr=base, weight_decay=0), []
    restarts = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(adam, T_0=2 * 3, T_mult=2, eta_min=1e-6)
    for b in batches:
        adam.zero_grad()
        loss = net.loss(b)
        loss.backward()
        norm = torch.sqrt(sum(p.grad.square().sum() for p in trained))
        for p in trained:
            p.grad.mul_(min(1.0, 1.0 / norm.item()))
        adam.step()
        restarts.step()
        out.append(loss.item())
    return out


CASES = {
    "mlvicx": (lambda: MLVICX(0.5), pretrain), "straight": (lambda: MLVICX(1), pretrain),
    "channel": (lambda: MLVICX(1, spatial=False), pretrain),
    "vicreg": (VICReg, pretrain), "simsiam": (SimSiam, pretrain), "byol": (BYOL, pretrain),
    "probe": (lambda: Probe(False), lambda net, b: downstream(net, b, 3e-3)),
    "finetune": (lambda: Probe(True), lambda net, b: downstream(net, b, 3e-4)),
}


def main(folder):
    out = {}
    for name, (make, train) in CASES.items():
        net = make().double()
        net.load_state_dict(load_file(f"{folder}/{name}-weights.safetensors"))
        batches = [load_file(f) for f in sorted(glob.glob(f"{folder}/{name}-[0-9]*.safetensors"))]
        for b in batches:
            b["label"] = b["label"] - 1
        out[name] = train(net.train(), batches)
    json.dump({"made_by": f"tests/twin/mlvicx.py with PyTorch {torch.__version__}, f64", "losses": out}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
