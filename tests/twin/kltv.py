"""The modes of the KLTV recipe at `tiny` a second time in PyTorch: ten f64 steps each.

    rille tests/twin/kltv.lua DIR        # start weights and batches
    python kltv.py DIR > ../golden/kltv.json
"""
import glob, json, sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

from kltv_models import APPAUNet, Discriminator, absolute_kl, fake_loss, fool_loss, tversky_index

FULL, PLAIN = (True, True, True), (True, False, True)
CASES = { # parts, is there a segmentor, a discriminator, are there more images, loss of masks
    "semi": (FULL, True, True, True, "kltv"), "partly": (FULL, True, True, True, "kltv"),
    "supervised": (FULL, True, True, False, "kltv"), "segment": (FULL, True, False, False, "kltv both 0.5"),
    "classify": (FULL, False, True, False, None), "xe_tversky": (FULL, True, True, True, "xe_tversky"),
    "pgu": (PLAIN, True, False, False, "kltv"),
}


def of_mask(kind, logits, g):
    p = torch.sigmoid(logits)
    tv = 1 - tversky_index(p, g)
    if kind == "xe_tversky":
        return tv + F.binary_cross_entropy_with_logits(logits, g, reduction="none").flatten(1).mean(1)
    return tv + (0.5 * absolute_kl(p, g, "both") if "both" in kind else absolute_kl(p, g))


def draw_loss(kind, logits, b):
    n, has = len(b["mask"]), b["has_mask"].bool()
    return sum(of_mask(kind, o[:n], b["mask"])[has].mean() for o in logits) / len(logits)


def judge_losses(D, x, p, b):
    n, has, z = len(b["image"]), b["has_mask"].bool(), b["label"] - 1
    made = D(x, p)
    fake = fake_loss(made[:n]) + (fake_loss(made[n:]) if len(made) > n else 0)
    real, known = D(b["image"][has], b["mask"][has]), z[has] >= 0
    q = torch.log_softmax(real, 1)
    unnamed = torch.logsumexp(real, 1) - torch.logsumexp(real[:, :-1], 1)
    real = torch.where(known, -q.gather(1, z[has].clamp_min(0)[:, None])[:, 0], unnamed).mean()
    told = F.cross_entropy(made[:n, :-1][~has], z[~has]) if (~has).any() else made.sum() * 0
    return {"real": real, "told": told, "fake": fake}


def frozen(m, is_frozen):
    m.requires_grad_(not is_frozen)


def run(case, folder):
    parts, draws, judges, more, kind = CASES[case]
    net = nn.Module()
    if draws:
        net.segmentor = APPAUNet(0.0625, *parts)
    if judges:
        net.discriminator = Discriminator(3, 0.0625, 0, mask=draws)
    net.double().train().load_state_dict(load_file(f"{folder}/{case}-weights.safetensors"))
    adam = {n: torch.optim.Adam(m.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n, m in net.named_children()}
    out = {}

    def step(name, losses, weights=None):
        adam[name].zero_grad()
        sum(l * (weights or {}).get(k, 1) for k, l in losses.items()).backward()
        adam[name].step()
        for k, l in losses.items():
            out.setdefault(k, []).append(l.item())
    for file in sorted(glob.glob(f"{folder}/{case}-[0-9]*.safetensors")):
        b = load_file(file)
        x = torch.cat([b["image"], b["more"]]) if more else b["image"]
        if not draws:
            step("discriminator", {"ce": F.cross_entropy(net.discriminator(x), b["label"] - 1)})
        elif not judges:
            step("segmentor", {"kltv": draw_loss(kind, net.segmentor(x)[0], b)})
        else:
            frozen(net.segmentor, True), frozen(net.discriminator, False)
            step("discriminator", judge_losses(net.discriminator, x, torch.sigmoid(net.segmentor(x)[0][0]), b))
            frozen(net.segmentor, False), frozen(net.discriminator, True)
            logits = net.segmentor(x)[0]
            fool = fool_loss(net.discriminator(x, torch.sigmoid(logits[0])))
            name = kind.split()[0]
            step("segmentor", {name: draw_loss(kind, logits, b), "fool": fool}, {"fool": 0.01})
    return out


if __name__ == "__main__":
    json.dump({"made_by": f"tests/twin/kltv.py with PyTorch {torch.__version__}, f64",
               "f64": {c: run(c, sys.argv[1]) for c in CASES}}, sys.stdout, indent=1)
    print()
