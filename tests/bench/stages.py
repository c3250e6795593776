"""Seconds per step and memory of every stage of `cooperative` at `paper` size, in rille and in PyTorch, in one run.

    python tests/bench/stages.py RILLE DATA [STAGE [SIDE...]]     # DATA: rille data phantom DATA --n 96 --size 320

Sides are rille, default and channels_last (PyTorch as it is; with that layout and the fused Adam): processes of their
own that do some steps to warm up and STEPS more. Prints the best and the median step and the peak resident memory.
Batches are those of the preset: 32 images for `embed`, 16 for the others; nothing is kept from step to step.
"""
import json, os, resource, statistics, subprocess, sys, time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "twin"))
import cooperative as twin

STEPS, SIZE, BATCH = 3, (320, 256), {"embed": 32}


def torch_side(stage, n, way):
    torch.manual_seed(1)
    name, loss, parts = next(s for s in twin.STAGES if s[0] == stage)
    net = twin.Staged(*twin.SIZES["paper"][:2])
    b = {"image": torch.rand(n, 1, *SIZE), "label": torch.arange(n) % 3, "saliency": torch.rand(n, 1, *SIZE)}
    b["saliency"] /= b["saliency"].sum((1, 2, 3), keepdim=True)
    if way == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        b = {k: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in b.items()}
    params, times = twin.enter(net, parts, False), []
    adam = torch.optim.Adam(params, lr=1e-4, fused=True if way == "channels_last" else None)
    for _ in range(STEPS + 1):
        began = time.perf_counter()
        twin.step(net, loss, b, params, adam)
        times.append(time.perf_counter() - began)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"best": min(times[1:]), "median": statistics.median(times[1:]), "mib": rss}))


def output_of(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0])


def rille_side(rille, data, stage):
    a = output_of([rille, "bench", f"cooperative.{stage}", "--preset", "paper", "--data", data, "--steps", str(STEPS)])
    return {"best": a["best_s"], "median": a["median_s"], "mib": a["rss_mib"]}


def main(rille, data, only=None, *sides):
    print("| stage | batch | side | best step, s | median, s | peak MiB |\n|" + "---|" * 6)
    for stage in [only] if only else [s[0] for s in twin.STAGES]:
        n = BATCH.get(stage, 16)
        for side in sides or ("rille", "default", "channels_last"):
            m = rille_side(rille, data, stage) if side == "rille" else \
                output_of([sys.executable, __file__, "--child", stage, str(n), side])
            print(f"| {stage} | {n} | {side} | {m['best']:.2f} | {m['median']:.2f} | {m['mib']:.0f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        torch_side(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main(*sys.argv[1:])
