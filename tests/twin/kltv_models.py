"""The networks and losses of the KLTV system a second time, in PyTorch, from their published description. As a script
it prints the numbers that tests/models/appau_net_spec.lua and tests/nn/mask_losses_spec.lua expect."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from models import Conv2, Up


def twice(x, factor=2):
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class Gate(nn.Module):
    def __init__(self, c, coarser):
        super().__init__()
        self.theta, self.phi = nn.Conv2d(c, c, 2, 2, bias=False), nn.Conv2d(coarser, c, 1)
        self.psi, self.conv, self.bn = nn.Conv2d(c, 1, 1), nn.Conv2d(c, c, 1), nn.BatchNorm2d(c)

    def forward(self, e, d):
        a = twice(torch.sigmoid(self.psi(F.relu(self.theta(e) + self.phi(d)))))
        return self.bn(self.conv(a * e)), a


class APPAUNet(nn.Module):
    def __init__(self, width=1.0, pyramid=True, attention=True, progressive=True):
        super().__init__()
        w = [int(c * width) for c in (32, 64, 128, 256, 512)]
        self.parts = pyramid, attention, progressive
        self.encode1 = Conv2(1, w[0])
        for k in range(2, 5):
            if pyramid:
                self.add_module(f"scale{k}", nn.Conv2d(1, w[k - 1], 3, padding=1))
            self.add_module(f"encode{k}", Conv2(w[k - 2] + (w[k - 1] if pyramid else 0), w[k - 1]))
        self.centre = Conv2(w[3], w[4])
        for k in range(4, 0, -1):
            self.add_module(f"up{k}", Up(w[k], w[k - 1]))
            if attention:
                self.add_module(f"gate{k}", Gate(w[k - 1], w[k]))
            self.add_module(f"decode{k}", Conv2(2 * w[k - 1], w[k - 1]))
            if k == 1 or progressive:
                self.add_module(f"out{k}", nn.Conv2d(w[k - 1], 1, 1))

    def forward(self, x):
        pyramid, attention, progressive = self.parts
        e = [self.encode1(x)]
        for k in range(2, 5):
            x, below = F.avg_pool2d(x, 2), F.max_pool2d(e[-1], 2)
            if pyramid:
                below = torch.cat([F.relu(getattr(self, f"scale{k}")(x)), below], 1)
            e.append(getattr(self, f"encode{k}")(below))
        d, logits, gates, o = self.centre(F.max_pool2d(e[3], 2)), {}, {}, None
        for k in range(4, 0, -1):
            skip = e[k - 1]
            if attention:
                skip, gates[k] = getattr(self, f"gate{k}")(skip, d)
            d = getattr(self, f"decode{k}")(torch.cat([getattr(self, f"up{k}")(d), skip], 1))
            if k == 1 or progressive:
                s = getattr(self, f"out{k}")(d)
                o = s if o is None else s + twice(o)
                logits[k] = o if k == 1 else twice(o, 2 ** (k - 1))
        return [logits[k] for k in sorted(logits)], [gates[k] for k in sorted(gates)]


class Discriminator(nn.Module):
    def __init__(self, classes=2, width=1.0, dropout=0.4, mask=True):
        super().__init__()
        i = 2 if mask else 1
        for k, c in enumerate((32, 64, 128, 256, 512), 1):
            o = int(c * width)
            self.add_module(f"conv{k}", nn.Conv2d(i, o, 4, 2, 1))
            if k > 1:
                self.add_module(f"bn{k}", nn.BatchNorm2d(o))
            i = o
        self.dropout, self.fc = dropout, nn.Linear(i, classes + (1 if mask else 0))

    def forward(self, x, mask=None):
        x = x if mask is None else torch.cat([x, mask], 1)
        for k in range(1, 6):
            x = getattr(self, f"conv{k}")(x)
            x = F.leaky_relu(x if k == 1 else getattr(self, f"bn{k}")(x), 0.2)
        return self.fc(F.dropout(x.mean((2, 3)), self.dropout, self.training))


def tversky_index(p, g, alpha=0.3, beta=0.7, eps=1e-6):
    p, g = p.flatten(1), g.flatten(1)
    tp, fp, fn = (p * g).sum(1), (p * (1 - g)).sum(1), ((1 - p) * g).sum(1)
    return (tp + eps) / (tp + alpha * fp + beta * fn + eps)


def clip(v):
    return v.clamp(1e-7, 1)


def absolute_kl(p, g, reading="foreground"):
    p, g = p.flatten(1), g.flatten(1)
    part = lambda a, b: (clip(b) * (clip(b) / clip(a)).log()).abs()
    if reading == "foreground":
        return part(p, g).mean(1)
    if reading == "both":
        return (part(p, g) + part(1 - p, 1 - g)).mean(1)
    q, h = p / (p.sum(1, keepdim=True) + 1e-7), g / (g.sum(1, keepdim=True) + 1e-7)
    return (h * (clip(h) / clip(q)).log()).sum(1).abs()


def kltv(logits, g, reading="foreground", weight=1.0, alpha=0.3, beta=0.7):
    p = torch.sigmoid(logits)
    return (1 - tversky_index(p, g, alpha, beta) + weight * absolute_kl(p, g, reading)).mean()


def real_loss(logits, z):
    return F.cross_entropy(logits, z)


def fool_loss(logits):
    """-ln(1 - Q(fake)), fake the last class"""
    return (torch.logsumexp(logits, 1) - torch.logsumexp(logits[:, :-1], 1)).mean()


def fake_loss(logits):
    return -F.log_softmax(logits, 1)[:, -1].mean()


def main():
    from networks import code, filled, gradients, wave
    x = wave(7, (2, 1, 32, 48), 1, 0.5)
    for parts in ((True, True, True), (False, False, False), (True, False, True)):
        m = filled(APPAUNet(0.125, *parts))
        logits, gates = m(x)
        sum((y * wave(k, y.shape)).sum() for k, y in enumerate(logits, 1)).backward()
        print(parts, [sum(code(y) * k for k, y in enumerate(logits, 1)), sum(code(a) * k for k, a in enumerate(gates, 1)),
                      gradients(m), code(m.state_dict()["decode2.bn1.running_var"])])
    for mask in (True, False):
        m = filled(Discriminator(3, 0.125, 0, mask))
        y = m(x, wave(5, x.shape, 0.5, 0.5) if mask else None)
        (y * wave(3, y.shape)).sum().backward()
        print("discriminator", mask, [code(y), gradients(m), code(m.state_dict()["bn4.running_var"])])
    y, g = wave(3, (3, 1, 5, 4), 2).requires_grad_(), (wave(5, (3, 1, 5, 4)) > 0).double()
    p = torch.sigmoid(y)
    losses = {
        "tversky": (1 - tversky_index(p, g)).mean(), "dice": (1 - tversky_index(p, g, 0.5, 0.5)).mean(),
        "focal": ((1 - tversky_index(p, g)) ** 0.75).mean(), "xe": F.binary_cross_entropy(p, g),
        "foreground": absolute_kl(p, g).mean(), "both": absolute_kl(p, g, "both").mean(),
        "normalised": absolute_kl(p, g, "normalised").mean(), "kltv": kltv(y, g, "both", 0.5)}
    for name, l in losses.items():
        print(name, l.item(), code(torch.autograd.grad(l, y, retain_graph=True)[0]))
    z = wave(4, (4, 3), 2).requires_grad_()
    named, unnamed = real_loss(z[:2], torch.tensor([1, 0])), fool_loss(z[2:])
    for name, l in {"real": (named + unnamed) / 2, "fake": fake_loss(z), "fool": fool_loss(z),
                    "class": F.cross_entropy(z[:2, :-1], torch.tensor([1, 0]))}.items():
        print(name, l.item(), code(torch.autograd.grad(l, z, retain_graph=True)[0]))


if __name__ == "__main__":
    main()
