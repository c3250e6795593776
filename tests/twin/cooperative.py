"""The cooperative recipe's stages at `tiny`, written a second time in PyTorch: ten f64 steps each.

    rille tests/twin/cooperative.lua DIR        # start weights and batches
    python cooperative.py DIR > ../golden/cooperative.json
"""
import glob, json, sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

from models import Decoder, DenseNet, Fusion, Head, ResSE, batch_triplet, saliency_kl


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.densenet = DenseNet((2, 2, 2, 2), growth=8, initial=16)
        self.res_se, self.decoder = ResSE(width), Decoder(width, self.densenet.width)
        self.head, self.fusion = Head(width), Fusion(self.densenet.width, int(64 * width), dropout=0)


def embed(net, b):
    return batch_triplet(net.densenet.tap(b["image"].expand(-1, 3, -1, -1)).mean((2, 3)), b["label"])


def diagnose(net, b):
    return F.cross_entropy(net.densenet(b["image"].expand(-1, 3, -1, -1)), b["label"])


def gaze(net, b):
    with torch.no_grad():
        f4 = net.densenet.tap(b["image"].expand(-1, 3, -1, -1))
    return saliency_kl(net.head(net.decoder(f4, net.res_se(b["image"]))), b["saliency"])


def fuse(net, b):
    with torch.no_grad():
        f4 = net.densenet.tap(b["image"].expand(-1, 3, -1, -1))
        d1 = net.decoder(f4, net.res_se(b["image"]))
        f5 = net.densenet.final(f4)
    return F.cross_entropy(net.fusion(f5, d1), b["label"])


STAGES = [ # name, loss, parts trained
    ("embed", embed, ["densenet.features."]),
    ("diagnose", diagnose, ["densenet."]),
    ("gaze", gaze, ["res_se.", "decoder.", "head."]),
    ("fuse", fuse, ["fusion."]),
]


def main(folder):
    net = Net(0.0625).double()
    net.load_state_dict(load_file(f"{folder}/weights.safetensors"))
    out = {}
    for k, (name, loss_of, parts) in enumerate(STAGES, 1):
        trained = [p for n, p in net.named_parameters() if any(n.startswith(x) for x in parts)]
        net.eval()  # frozen parts keep their statistics
        for part in parts:
            net.get_submodule(part.rstrip(".")).train()
        adam, out[name] = torch.optim.Adam(trained, lr=1e-3), []
        for file in sorted(glob.glob(f"{folder}/{k}-{name}-*.safetensors")):
            b = load_file(file)
            b["label"] = b["label"] - 1
            adam.zero_grad()
            loss = loss_of(net, b)
            loss.backward()
            adam.step()
            out[name].append(loss.item())
    json.dump({"made_by": f"tests/twin/cooperative.py with PyTorch {torch.__version__}, f64", "losses": out}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
