"""One workload of rille bench in rille and in PyTorch, step by step in turn, in one run.

    python beside.py RILLE WORKLOAD [--mode default channels_last compile] [--steps 10] [--batch B] [--size S]
                     [--threads T] [--bf16] [--loose]

Both sides are processes that stay and do one step on command (serve.lua, workloads.py); rille draws weights and batch
and writes them, PyTorch reads them. A sample counts if 5 ms of small products just before and just after it reach 85 %
of the best such probe. Prints one line of JSON for each mode: medians, their ratio (PyTorch / rille), peak resident
memory of both processes, and the losses. Fails if the first losses differ by more than 1e-5 or the third by more than
1e-3 of their size (with --bf16, or --loose, it only tells). Memory of PyTorch's side is best taken from mode default:
the others run with malloc told to keep its pages, which is faster and larger.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
KEEP_PAGES = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296",
              "MALLOC_TOP_PAD_": "67108864", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Child:
    """A process that answers each line with a line of JSON; its first line tells about itself."""

    def __init__(self, command, env=None):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  env={**os.environ, **(env or {})})
        self.about = self.read()

    def read(self):
        line = self.p.stdout.readline()
        if not line:
            sys.exit(f"{self.p.args[0]} ended with code {self.p.wait()}")
        return json.loads(line)

    def ask(self, what):
        self.p.stdin.write(what + "\n")
        self.p.stdin.flush()
        return self.read()

    def end(self):
        answer = self.ask("end")
        self.p.wait()
        return answer


def timed(rille, child, inner, pause):
    """Seconds of one step of a child, the lower of the probes before and after it, and the loss."""
    before = rille.ask("peak")["gflops"]
    answer = child.ask(f"step {inner}")
    time.sleep(pause)  # PyTorch's threads spin for a while after a call
    return answer["seconds"], min(before, rille.ask("peak")["gflops"]), answer.get("loss")


def in_turn(rille, torch, steps, inner):
    """The samples (seconds, probe, loss) of both sides, the first round apart; and the losses of their first three
    steps. Where a sample is many steps, three are done before."""
    sides, losses = ([], []), None
    if inner > 1:
        losses = [[child.ask("step 1").get("loss") for _ in range(3)] for child in (rille, torch)]
    for _ in range(steps + 1):
        sides[0].append(timed(rille, rille, inner, 0))
        sides[1].append(timed(rille, torch, inner, 0.015))
    return sides[0][1:], sides[1][1:], losses or [[loss for _, _, loss in s[:3]] for s in sides]


def kept(samples, best):
    good = [s for s, probe, _ in samples if probe >= 0.85 * best]
    return good if len(good) >= 3 else [s for s, _, _ in samples]


def differences(a, b):
    return [abs(x - y) / max(abs(x), 1e-12) if x is not None and y is not None else 0.0 for x, y in zip(a, b)]


def compare(o, mode, folder):
    rille = Child([o.rille, os.path.join(HERE, "serve.lua"), o.workload, folder, str(o.batch or ""), str(o.size or ""),
                   str(o.threads)])
    torch = Child([sys.executable, os.path.join(HERE, "workloads.py"), o.workload, folder, mode,
                   "bf16" if o.bf16 else "f32", str(o.threads)], KEEP_PAGES if mode != "default" else None)
    ours, theirs, losses = in_turn(rille, torch, o.steps, rille.about["inner"])
    best = max(probe for _, probe, _ in ours + theirs)
    a, b = kept(ours, best), kept(theirs, best)
    off, memory = differences(*losses), (rille.end()["rss_mib"], torch.end()["rss_mib"])
    print(json.dumps({
        "workload": o.workload, "mode": mode + ("+bf16" if o.bf16 else ""), "cpu": rille.about["cpu"],
        "isa": rille.about["isa"], "torch": torch.about["torch"], "threads": o.threads,
        "batch": rille.about.get("batch"), "size": rille.about.get("size"), "rille_s": statistics.median(a),
        "rille_best_s": min(a), "torch_s": statistics.median(b), "torch_best_s": min(b),
        "ratio": round(statistics.median(b) / statistics.median(a), 3), "counted": [len(a), len(b), o.steps],
        "probe_gflops": round(best), "rille_rss_mib": round(memory[0]), "torch_rss_mib": round(memory[1]),
        "memory": round(memory[0] / memory[1], 3), "loss": losses, "loss_off": off}), flush=True)
    return off[0] <= 1e-5 and off[2] <= 1e-3


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("rille")
    p.add_argument("workload")
    p.add_argument("--mode", nargs="+", default=["channels_last"], choices=["default", "channels_last", "compile"])
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--batch", type=int)
    p.add_argument("--size", type=int)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--bf16", action="store_true", help="PyTorch under bf16 autocast; rille stays in f32")
    p.add_argument("--loose", action="store_true", help="tell the losses' differences, and do not fail by them")
    o, same = p.parse_args(), True
    for mode in o.mode:
        with tempfile.TemporaryDirectory() as folder:
            same = compare(o, mode, folder) and same
    if not same and not o.bf16 and not o.loose:
        sys.exit("the losses of both sides differ")


if __name__ == "__main__":
    main()
