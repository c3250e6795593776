"""The stages of the cooperative recipes and of what they are compared with, a second time in PyTorch.

    rille tests/twin/cooperative.lua DIR                  # start weights and batches at `tiny`
    python cooperative.py DIR > ../golden/cooperative.json       # the losses of ten f64 steps

One step at `paper` size is compared by paper.py.
"""
import glob, json, os, sys
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

from models import Decoder, DenseNet, Fusion, Head, MTUNet, ResSE, Weighting, batch_triplet, saliency_kl, width_triplet

SIZES = { # DenseNet's blocks, growth, first width; width of the U-Nets; rate
    "tiny": (((2, 2, 2, 2), 8, 16), 0.0625, 1e-3),
    "paper": (((6, 12, 48, 32), 32, 64), 1.0, 1e-4),
}


def thrice(b):
    return b["image"].expand(-1, 3, -1, -1)


class Staged(nn.Module):
    def __init__(self, dense, width, weighting=False):
        super().__init__()
        self.densenet = DenseNet(dense[0], growth=dense[1], initial=dense[2])
        self.res_se, self.decoder = ResSE(width), Decoder(width, self.densenet.width)
        self.head, self.fusion = Head(width), Fusion(self.densenet.width, int(64 * width), dropout=0)
        if weighting:
            self.weighting = Weighting()

    def d1(self, b, f4):
        return self.decoder(f4, self.res_se(b["image"]))

    def embed(self, b):
        return batch_triplet(self.densenet.tap(thrice(b)).mean((2, 3)), b["label"])

    def embed_released(self, b):
        return width_triplet(self.densenet.tap(thrice(b)), b["label"])

    def diagnose(self, b):
        return F.cross_entropy(self.densenet(thrice(b)), b["label"])

    def gaze(self, b):
        return saliency_kl(self.head(self.d1(b, self.densenet.tap(thrice(b)))), b["saliency"])

    def fuse(self, b):
        f4 = self.densenet.tap(thrice(b))
        return F.cross_entropy(self.fusion(self.densenet.final(f4), self.d1(b, f4)), b["label"])

    def both(self, b):
        f4 = self.densenet.tap(thrice(b))
        d1 = self.d1(b, f4)
        ce = F.cross_entropy(self.fusion(self.densenet.final(f4), d1), b["label"])
        return ce, saliency_kl(self.head(d1), b["saliency"])

    def uncertainty(self, b):
        return self.weighting(*self.both(b))

    def equal(self, b):
        return sum(self.both(b))


class Without(Staged):
    """An ablation: a part named by the case is not there"""

    def __init__(self, dense, width, part):
        super().__init__(dense, width)
        self.part = part
        if part in ("se", "shortcut"):
            self.res_se = ResSE(width, se=part != "se", shortcut=part != "shortcut")
        elif part == "F4":
            self.decoder = Decoder(width, None)
        elif part == "gaze":
            self.fusion = Fusion(self.densenet.width, 0, dropout=0)

    def d1(self, b, f4):
        return super().d1(b, None if self.part == "F4" else f4)

    def fuse(self, b):
        if self.part != "gaze":
            return super().fuse(b)
        f5 = self.densenet.final(self.densenet.tap(thrice(b)))
        return F.cross_entropy(self.fusion(f5, None), b["label"])


class Thirds(Staged):
    """A map of gaze for each third of the viewing time; a third without gaze adds nothing"""

    def __init__(self, dense, width):
        super().__init__(dense, width)
        self.head = Head(width, maps=3)

    def gaze(self, b):
        q, g = self.head(self.d1(b, self.densenet.tap(thrice(b)))).flatten(0, 1), b["thirds"].flatten(0, 1)
        return saliency_kl(q[:, None], g[:, None])


class Plain(nn.Module):
    """MT-UNet and its halves"""

    def __init__(self, dense, width):
        super().__init__()
        self.net, self.weighting = MTUNet(width, dropout=0), Weighting()

    def class_loss(self, b):
        return F.cross_entropy(self.net(b["image"])[0], b["label"])

    def map_loss(self, b):
        return saliency_kl(self.net(b["image"])[1], b["saliency"])

    def uncertainty(self, b):
        logits, maps = self.net(b["image"])
        return self.weighting(F.cross_entropy(logits, b["label"]), saliency_kl(maps, b["saliency"]))


class Dense(nn.Module):
    def __init__(self, dense, width):
        super().__init__()
        self.net = DenseNet(dense[0], growth=dense[1], initial=dense[2])

    def loss(self, b):
        return F.cross_entropy(self.net(thrice(b)), b["label"])


class Alone(nn.Module):
    def __init__(self, dense, width):
        super().__init__()
        self.encoder, self.decoder, self.head = ResSE(width), Decoder(width, None), Head(width)

    def loss(self, b):
        return saliency_kl(self.head(self.decoder(None, self.encoder(b["image"]))), b["saliency"])


class Joint(Staged):
    def __init__(self, dense, width):
        super().__init__(dense, width, weighting=True)


FUSED = ["densenet.features.", "res_se.", "decoder.", "head.", "fusion."]
UNET = ["net.encoder.", "net.decoder."]
STAGES = [ # name, loss, parts trained
    ("embed", "embed", ["densenet.features."]),
    ("diagnose", "diagnose", ["densenet."]),
    ("gaze", "gaze", ["res_se.", "decoder.", "head."]),
    ("fuse", "fuse", ["fusion."]),
]
CASES = {
    "cooperative": (Staged, STAGES),
    "released": (Staged, [("embed", "embed_released", STAGES[0][2])] + STAGES[1:]),
    "thirds": (Thirds, STAGES),
    **{f"without_{p}": (partial(Without, part=p), STAGES) for p in ("F4", "se", "shortcut", "gaze")},
    "without_embed": (Staged, STAGES[1:]),
    "uncertainty": (Joint, [("joint", "uncertainty", FUSED + ["weighting."])]),
    "equal": (Joint, [("joint", "equal", FUSED)]),
    "gradprom": (Joint, [("joint", "gradprom", FUSED)]),
    "mt_unet": (Plain, [("train", "uncertainty", ["net.", "weighting."])]),
    "unet_class": (Plain, [("train", "class_loss", UNET + ["net.classifier."])]),
    "unet_map": (Plain, [("train", "map_loss", UNET + ["net.head."])]),
    "densenet": (Dense, [("train", "loss", ["net."])]),
    "res_se": (Alone, [("train", "loss", ["encoder.", "decoder.", "head."])]),
}


def promoted(ce, kl, params):
    """arXiv:2501.01114: the second gradient joins where it agrees with the first, over what both reach"""
    main = torch.autograd.grad(ce, params, retain_graph=True, allow_unused=True)
    other = torch.autograd.grad(kl, params, allow_unused=True)
    agree = sum((m * o).sum() for m, o in zip(main, other) if m is not None and o is not None) >= 0
    for p, m, o in zip(params, main, other):
        p.grad = o if m is None else m + o if o is not None and agree else m


def step(net, loss_name, b, params, adam):
    adam.zero_grad()
    if loss_name == "gradprom":
        ce, kl = net.both(b)
        loss = ce + kl
        promoted(ce, kl, params)
    else:
        loss = getattr(net, loss_name)(b)
        loss.backward()
    adam.step()
    return loss.item()


def enter(net, parts, moving):
    params = []
    for name, p in net.named_parameters():
        p.requires_grad_(any(name.startswith(x) for x in parts))
        if p.requires_grad:
            params.append(p)
    net.train(moving)  # frozen parts keep their statistics, but not as the code was released
    for part in parts:
        net.get_submodule(part.rstrip(".")).train()
    return params


def read(file, dtype):
    b = load_file(file)
    return {name: t - 1 if name == "label" else t.to(dtype) for name, t in b.items()}


def start(case, folder, size, dtype):
    """A case's network with rille's start weights"""
    dense, width, _ = SIZES[size]
    net = CASES[case][0](dense, width).to(dtype)
    net.load_state_dict(load_file(f"{folder}/{case}-weights.safetensors"))
    return net


def run(case, folder):
    net, out = start(case, folder, "tiny", torch.float64), {}
    for name, loss_name, parts in CASES[case][1]:
        params = enter(net, parts, case == "released")
        adam = torch.optim.Adam(params, lr=SIZES["tiny"][2])
        files = sorted(glob.glob(f"{folder}/{case}-{name}-*.safetensors"))
        out[name] = [step(net, loss_name, read(f, torch.float64), params, adam) for f in files]
    return out


def main(folder):
    cases = [c for c in CASES if os.path.exists(f"{folder}/{c}-weights.safetensors")]
    out = {"made_by": f"tests/twin/cooperative.py with PyTorch {torch.__version__}",
           "f64": {c: run(c, folder) for c in cases}}
    json.dump(out, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
