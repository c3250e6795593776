"""Same weights, same batch, in PyTorch and in rille: outputs, losses, gradients, three Adam steps.

    python parity.py RILLE [SEEDS]      RILLE: the built program; needs torch, numpy, safetensors

Prints, per model, how far rille is from PyTorch in f64, and how far each f32 is from PyTorch's f64: rms over rms, over
SEEDS (default 3) starts, since losses after Adam's first steps hang on the signs of gradients near 0.
"""
import json, os, subprocess, sys, tempfile

import torch
from safetensors.torch import load_file, save_file

from models import ResSE, Decoder, Head, densenet, saliency_kl
import torch.nn as nn
import torch.nn.functional as F


class Net201(nn.Module):
    def __init__(self):
        super().__init__()
        self.densenet = densenet(201)

    def forward(self, b):
        y = self.densenet(b["image"])
        return y, F.cross_entropy(y, b["label"])


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder, self.head = ResSE(), Decoder(), Head()

    def forward(self, b):
        y = self.head(self.decoder(b["f4"], self.encoder(b["grey"])))
        return y, saliency_kl(y, b["map"])


def batch():
    g = torch.Generator().manual_seed(7)
    r = lambda *s: torch.rand(*s, generator=g, dtype=torch.float64)
    m = r(2, 1, 64, 64) ** 4
    return {"image": r(2, 3, 64, 64), "grey": r(2, 1, 64, 64), "f4": r(2, 1920, 2, 2) - 0.5,
            "map": m / m.sum((1, 2, 3), keepdim=True), "label": torch.tensor([0, 2])}


def cast(b, dtype):
    return {k: v if v.dtype == torch.int64 else v.to(dtype) for k, v in b.items()}


def run(net, b, dtype):
    net = net.to(dtype).train()
    b, out = cast(b, dtype), {}
    adam = torch.optim.Adam(net.parameters(), lr=1e-4)
    for step in range(3):
        adam.zero_grad()
        y, loss = net(b)
        loss.backward()
        out[f"loss{step}"] = loss.detach().reshape(1)
        if step == 0:
            out["y"] = y.detach()
            out.update({"grad." + n: p.grad.clone() for n, p in net.named_parameters()})
        adam.step()
    return {k: v.double().contiguous() for k, v in out.items()}


def squares(a, b, prefix):
    """sums of squares of the difference and of b, over all tensors whose name starts so"""
    names = [k for k in b if k.startswith(prefix)]
    return (sum((a[k].reshape(-1) - b[k].reshape(-1)).square().sum().item() for k in names),
            sum(b[k].square().sum().item() for k in names))


def one_start(name, make, seed, rille):
    torch.manual_seed(seed)
    net, b = make().double(), batch()
    start = {k: v.clone() for k, v in net.state_dict().items()}
    want = run(net, b, torch.float64)
    with tempfile.TemporaryDirectory() as tmp:
        save_file({k: v.contiguous() for k, v in start.items()}, f"{tmp}/weights.safetensors")
        save_file({k: v + 1 if k == "label" else v.contiguous() for k, v in b.items()}, f"{tmp}/batch.safetensors")
        net.load_state_dict(start)
        sides = {"torch_f32": run(net, b, torch.float32)}
        for dtype in ("f64", "f32"):
            here = os.path.dirname(os.path.abspath(__file__))
            subprocess.run([rille, f"{here}/parity.lua", name, dtype, tmp], check=True)
            sides[dtype] = {k: v.double() for k, v in load_file(f"{tmp}/{dtype}.safetensors").items()}
    return want, sides


def main(rille, seeds):
    failed = False
    torch.set_num_threads(2)
    for name, make in (("densenet201", Net201), ("res_se_unet", UNet)):
        sums = {}
        for seed in range(1, seeds + 1):
            want, sides = one_start(name, make, seed, rille)
            for prefix in ("y", "loss0", "loss", "grad."):
                for side, got in sides.items():
                    d, s = squares(got, want, prefix)
                    old = sums.get((prefix, side), (0, 0))
                    sums[prefix, side] = old[0] + d, old[1] + s
        for prefix in ("y", "loss0", "loss", "grad."):
            f64, f32, torch32 = ((d / s) ** 0.5 for d, s in (sums[prefix, k] for k in ("f64", "f32", "torch_f32")))
            good = f64 < 1e-8 and f32 <= 2 * torch32 + 1e-7  # one rounding of a single number is luck
            failed = failed or not good
            print(json.dumps({"model": name, "what": prefix, "starts": seeds, "f64_from_torch": f64, "f32_from_f64": f32,
                              "torch_f32_from_f64": torch32, "good": good}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3))
