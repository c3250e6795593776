"""Training steps of the cooperative stages in rille and in PyTorch, in turn, in one run.

    python beside.py RILLE [ROUNDS]        needs torch; two threads each; random images, 16 x 1 x 96 x 96

One JSON line per stage: seconds per step (median over rounds of each side's median), ratio PyTorch / rille, and peak
resident memory of each process. The networks are those of tests/twin/models.py; frozen features are worked out in
every step on both sides.
"""
import json, os, resource, statistics, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "twin"))
STAGES = ("embed", "diagnose", "gaze", "fuse")


def torch_side(stage, channels_last, steps=8):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from models import Decoder, Fusion, Head, ResSE, batch_triplet, densenet, saliency_kl

    torch.set_num_threads(2)
    torch.manual_seed(1)
    parts = {"densenet": densenet(121), "res_se": ResSE(0.25), "decoder": Decoder(0.25, 1024), "head": Head(0.25),
             "fusion": Fusion(1024, 16)}
    net = nn.ModuleDict(parts)
    x, label = torch.rand(16, 1, 96, 96), torch.randint(0, 3, (16,))
    g = torch.rand(16, 1, 96, 96)
    g = g / g.sum((1, 2, 3), keepdim=True)
    if channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    grey = x.expand(-1, 3, -1, -1)
    trained = {"embed": ["densenet"], "diagnose": ["densenet"], "gaze": ["res_se", "decoder", "head"], "fuse": ["fusion"]}[stage]
    for name, m in parts.items():
        m.train(name in trained)
        m.requires_grad_(name in trained)
    d = parts["densenet"]

    def loss():
        if stage == "embed":
            return batch_triplet(d.tap(grey).mean((2, 3)), label)
        if stage == "diagnose":
            return F.cross_entropy(d(grey), label)
        f4 = d.tap(grey)
        d1 = parts["decoder"](f4, parts["res_se"](x))
        if stage == "gaze":
            return saliency_kl(parts["head"](d1), g)
        return F.cross_entropy(parts["fusion"](d.final(f4), d1), label)

    adam = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-3)
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        adam.zero_grad()
        loss().backward()
        adam.step()
        times.append(time.perf_counter() - began)
    print(json.dumps({"median_s": statistics.median(times[2:]),
                      "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def last_line(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1])


def main(rille, rounds):
    for stage in STAGES:
        ours, theirs = [], {"default": [], "channels_last": []}
        for _ in range(rounds):
            ours.append(last_line([rille, "bench", f"cooperative.{stage}", "--steps", "8"]))
            for mode in theirs:
                theirs[mode].append(last_line([sys.executable, __file__, "--side", stage, mode]))
        mid = lambda runs: statistics.median(r["median_s"] for r in runs)
        mode = min(theirs, key=lambda m: mid(theirs[m]))
        print(json.dumps({"stage": stage, "cpu": ours[0]["cpu"], "rille_s": round(mid(ours), 4),
                          "torch_s": round(mid(theirs[mode]), 4), "torch_mode": mode,
                          "ratio": round(mid(theirs[mode]) / mid(ours), 2),
                          "rille_rss_mib": round(max(r["rss_mib"] for r in ours)),
                          "torch_rss_mib": round(max(r["rss_mib"] for r in theirs[mode]))}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--side":
        torch_side(sys.argv[2], sys.argv[3] == "channels_last")
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
