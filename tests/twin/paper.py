"""One f32 step at `paper` size of every stage and baseline of the cooperative recipes, beside PyTorch.

    python tests/twin/paper.py build/rille [CASE...]     # needs torch and safetensors, 10 GB of memory, an hour

Each stage starts from the same weights, on four images of 320 x 256. Prints a table: how far rille's f32 is from
PyTorch's f64, and behind it, in brackets, how far PyTorch's own f32 is: the loss, the gradient (rms of the difference
over rms, and the worst of its tensors that are not zero but for rounding), the parameters' update (Adam's first is the
rate times the gradient's sign: it is off where a gradient is near 0), the loss behind the step. Exit code 1 where
rille is more than FACTOR times as far off as PyTorch, and by more than LEAST.
"""
import subprocess, sys, tempfile

import torch
from safetensors.torch import load_file

import cooperative as twin

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
FACTOR, LEAST = 4, 1e-4


def torch_step(net, folder, case, stage, dtype):
    """The same as rille's first_step, as a table of tensors"""
    name, loss_name, parts = stage
    params = twin.enter(net, parts, case == "released")
    adam = torch.optim.Adam(params, lr=twin.SIZES["paper"][2])
    names = {id(p): n for n, p in net.named_parameters()}
    b, before = twin.read(f"{folder}/{case}-{name}-01.safetensors", dtype), [p.detach().clone() for p in params]
    losses, out = [twin.step(net, loss_name, b, params, adam)], {}
    for p, was in zip(params, before):
        out["grad." + names[id(p)]] = torch.zeros_like(was) if p.grad is None else p.grad.clone()
        out["update." + names[id(p)]] = p.detach() - was
    with torch.no_grad():
        losses.append(getattr(net, "equal" if loss_name == "gradprom" else loss_name)(b).item())
    out["losses"] = torch.tensor(losses, dtype=torch.float64)
    return out


def norm(tensors):
    return sum(t.double().square().sum() for t in tensors).sqrt().item()


def off(got, want, kind):
    """How far all tensors of a kind are off, and the worst of those that are not zero but for rounding"""
    keys = [k for k in want if k.startswith(kind)]
    whole = norm(want[k] for k in keys)
    each = [norm([got[k].double() - want[k]]) / norm([want[k]]) for k in keys if norm([want[k]]) > 1e-6 * whole]
    return norm(got[k].double() - want[k] for k in keys) / whole, max(each)


def row(got, want):
    loss = [0.0 if a == b else abs(a - b) / abs(b) for a, b in zip(got["losses"].tolist(), want["losses"].tolist())]
    assert {k for k in got} == {k for k in want}, "other parameters are trained"
    return [loss[0], *off(got, want, "grad."), off(got, want, "update.")[0], loss[1]]


def main(rille, *cases):
    print("| case | stage | loss | gradient | its worst tensor | update | loss behind it |\n|" + "---|" * 7)
    bad = 0
    for case in cases or twin.CASES:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([rille, f"{HERE}/cooperative.lua", folder, "paper", case], check=True)
            for stage in twin.CASES[case][1]:
                made = [torch_step(twin.start(case, folder, "paper", d), folder, case, stage, d)
                        for d in (torch.float64, torch.float32)]
                own = row(load_file(f"{folder}/{case}-{stage[0]}-step.safetensors"), made[0])
                other = row(made[1], made[0])
                bad += sum(not a <= max(FACTOR * b, LEAST) for a, b in zip(own, other))
                text = " | ".join(f"{a:.1e} ({b:.1e})" for a, b in zip(own, other))
                print(f"| {case} | {stage[0]} | {text} |", flush=True)
    print(f"\n{bad} figures are further off than allowed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
