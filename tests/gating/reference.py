# Makes tests/golden/gating.json: updates of gating rules by other programs, three steps in a row, for two and four
# losses. Run with torch 2.13, torchjd 0.18 (and its solvers), numpy, scipy: python tests/gating/reference.py
import json
import os

import numpy as np
import torch
from scipy import optimize
from torchjd import aggregation as ta, scalarization as ts
from torchjd.linalg import QuadprogProjector

STEPS, N = 3, 6
rng = np.random.default_rng(7)
SCALE = np.array([1.0, 3.0, 0.3, 1.5])
DATA = {}
for K in (2, 4):
    DATA[K] = {
        "gradients": [(rng.normal(size=(K, N)) * SCALE[:K, None]).round(6) for _ in range(STEPS)],
        "halves": [[(rng.normal(size=(K, N)) * SCALE[:K, None]).round(6) for _ in range(2)] for _ in range(STEPS)],
        "values": [(rng.uniform(0.2, 3, size=K)).round(6) for _ in range(STEPS)],
        "after": [(rng.uniform(0.2, 3, size=K)).round(6) for _ in range(STEPS)],
    }
CASES = []


def case(rule, options, K, want, source, tolerance=1e-9, main=None):
    CASES.append(dict(rule=rule, options=options, losses=K, want=[np.asarray(w).tolist() for w in want], source=source,
                      tolerance=tolerance, main=main))


def each(K, f):
    return [f(G) for G in DATA[K]["gradients"]]


def minimise(f, K, jac=None):  # over the simplex, from several starts
    best = None
    for start in [np.full(K, 1 / K)] + list(np.eye(K) * 0.9 + 0.1 / K):
        r = optimize.minimize(f, start, jac=jac, bounds=[(0, 1)] * K, method="SLSQP",
                              constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(K)},
                              options={"maxiter": 1000, "ftol": 1e-16})
        if best is None or r.fun < best.fun:
            best = r
    return best.x


def mgda(G):
    M = G @ G.T
    return minimise(lambda w: w @ M @ w, len(G), lambda w: 2 * M @ w)


def cagrad(G, c):
    K, g0, M = len(G), G.mean(0), G @ G.T
    radius = c * np.linalg.norm(g0)
    w = minimise(lambda w: w @ G @ g0 + radius * np.sqrt(w @ M @ w), K,
                 lambda w: G @ g0 + radius * M @ w / np.sqrt(w @ M @ w))
    return g0 + radius * (w @ G) / np.linalg.norm(w @ G)


def fair(G, alpha):  # in ln a, from the least-squares answer of torchjd's form
    M = G @ G.T
    start = np.log(1 / np.sqrt(np.diag(M)))
    r = optimize.root(lambda x: M @ np.exp(x) - np.exp(-x / alpha), start, tol=1e-13,
                      jac=lambda x: M * np.exp(x) + np.diag(np.exp(-x / alpha) / alpha))
    assert np.abs(M @ np.exp(r.x) * np.exp(r.x / alpha) - 1).max() < 1e-11
    return np.exp(r.x)


def pcgrad(G):  # in the given order
    total = np.zeros(N)
    for i in range(len(G)):
        g = G[i].copy()
        for j in range(len(G)):
            if j != i and g @ G[j] < 0:
                g -= g @ G[j] / (G[j] @ G[j]) * G[j]
        total += g
    return total


def gradvac(K, beta):
    f, out = np.zeros((K, K)), []
    for G in DATA[K]["gradients"]:
        total = np.zeros(N)
        for i in range(K):
            g = G[i].copy()
            for j in range(K):
                if j == i:
                    continue
                s = g @ G[j] / np.linalg.norm(g) / np.linalg.norm(G[j])
                if s < f[i, j]:
                    g = g + G[j] * np.linalg.norm(g) * (f[i, j] * np.sqrt(1 - s * s) - s * np.sqrt(1 - f[i, j] ** 2)) \
                        / (np.linalg.norm(G[j]) * np.sqrt(1 - f[i, j] ** 2))
                f[i, j] = (1 - beta) * f[i, j] + beta * s
            total += g
        out.append(total)
    return out


def moco(K):
    y, lam, out = np.zeros((K, N)), np.full(K, 1 / K), []
    for t, (G, L) in enumerate(zip(DATA[K]["gradients"], DATA[K]["values"]), 1):
        unit = G / (np.linalg.norm(G, axis=1, keepdims=True) + 1e-8) * L[:, None]
        y = y - 0.5 / t ** 0.5 * (y - unit)
        z = lam - 0.1 / t ** 0.5 * (y @ y.T @ lam)
        lam = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        out.append(lam @ y)
    return out


def db_mtl(K, beta):
    y, out = np.zeros((K, N)), []
    for G, L in zip(DATA[K]["gradients"], DATA[K]["values"]):
        y = beta * y + (1 - beta) * G / (L[:, None] + 1e-8)
        norms = np.linalg.norm(y, axis=1)
        out.append((norms.max() / (norms[:, None] + 1e-8) * y).sum(0))
    return out


def excess_mtl(K):
    w, sums, first, out = np.full(K, 1 / K), np.zeros((K, N)), None, []
    for G in DATA[K]["gradients"]:
        sums += G ** 2
        e = (G ** 2 / np.sqrt(sums + 1e-7)).sum(1)
        first = e if first is None else first
        w = w * np.exp(e / first)
        w /= w.sum()
        out.append(w @ G)
    return out


def ol_aux(K, main, beta, every):
    w, sums, out = np.ones(K), np.zeros(K), []
    for t, G in enumerate(DATA[K]["gradients"], 1):
        out.append(w @ G)
        sums += G @ G[main]
        if t % every == 0:
            w, sums = w + beta * sums, np.zeros(K)
            w[main] = 1
    return out


def gradnorm(K, alpha, lr):
    w, first, out = torch.ones(K, dtype=torch.float64, requires_grad=True), DATA[K]["values"][0], []
    adam = torch.optim.Adam([w], lr=lr)
    for G, L in zip(DATA[K]["gradients"], DATA[K]["values"]):
        out.append(w.detach().numpy() @ G)
        ratio = torch.tensor(L / first)
        n = w * torch.tensor(np.linalg.norm(G, axis=1))
        target = (n.mean() * (ratio / ratio.mean()) ** alpha).detach()
        adam.zero_grad()
        (n - target).abs().sum().backward()
        adam.step()
        with torch.no_grad():
            w *= K / w.sum()
    return out


def by_values(K, make, learn=False, decay=0.0, lr=1e-3):  # weights are the slopes of a scalarization
    s, out = make(K), []
    params = [p for p in s.parameters()] if learn else []
    adam = torch.optim.Adam(params, lr=lr, weight_decay=decay) if params else None
    for G, L, after in zip(DATA[K]["gradients"], DATA[K]["values"], DATA[K]["after"]):
        v = torch.tensor(L, requires_grad=True)
        loss = s(v)
        loss.backward()
        out.append(v.grad.numpy() @ G)
        if adam:
            adam.step()
            adam.zero_grad()
        if isinstance(s, ts.FAMO):
            s.update(torch.tensor(after))
    return out


def torchjd(rule, options, K, make, tolerance=1e-9, main=None, of="gradients"):
    a = make()
    case(rule, options, K, [a(torch.tensor(G)).numpy() for G in DATA[K][of]], "TorchJD 0.18", tolerance, main)


def smoothed(K, weighting, alpha):
    w, out = None, []
    for G in DATA[K]["gradients"]:
        new = weighting(torch.tensor(G @ G.T)).numpy()
        w = new if w is None else alpha * w + (1 - alpha) * new
        out.append(w @ G)
    return out


def sampled(rule, options, K, weighting):
    out = []
    for G, (A, B) in zip(DATA[K]["gradients"], DATA[K]["halves"]):
        out.append(weighting(torch.tensor(A @ B.T)).numpy() @ G)
    case(rule, options, K, out, "TorchJD 0.18")


for K in (2, 4):
    ones = [0.3, 0.9, 0.5, 0.7][:K]
    names = dict(zip("abcd", ones))
    exact = QuadprogProjector(norm_eps=0, reg_eps=0)  # TorchJD's own default adds 1e-4 to the diagonal
    vector = torch.tensor(ones, dtype=torch.float64)
    case("mgda", {}, K, each(K, lambda G: mgda(G) @ G), "scipy SLSQP", 1e-6)
    case("cr_mogm", {"rule": "imtl_g", "smooth": 0.7}, K, smoothed(K, ta.IMTLGWeighting(), 0.7), "TorchJD 0.18's weights")
    case("cagrad", {"c": 0.4}, K, each(K, lambda G: cagrad(G, 0.4)), "scipy SLSQP", 1e-5)
    case("nash_mtl", {"max_norm": 0}, K, each(K, lambda G: fair(G, 1) @ G), "scipy root")
    case("nash_mtl", {}, K, each(K, lambda G: fair(G, 1) @ G / np.sqrt(K)), "scipy root")
    case("fairgrad", {"alpha": 2}, K, each(K, lambda G: fair(G, 2) @ G), "scipy root")
    case("fairgrad", {"alpha": 0.5}, K, each(K, lambda G: fair(G, 0.5) @ G), "scipy root")
    case("pcgrad", {"order": "given"}, K, each(K, pcgrad), "numpy")
    case("gradvac", {"order": "given", "beta": 0.3}, K, gradvac(K, 0.3), "numpy")
    case("moco", {}, K, moco(K), "numpy, LibMTL's formula")
    case("db_mtl", {"beta": 0.6}, K, db_mtl(K, 0.6), "numpy, the authors' formula")
    case("excess_mtl", {}, K, excess_mtl(K), "numpy")
    case("ol_aux", {"beta": 0.1, "every": 2}, K, ol_aux(K, 1, 0.1, 2), "numpy", main=2)
    case("gradnorm", {"alpha": 1.5, "lr": 0.05}, K, gradnorm(K, 1.5, 0.05), "torch autograd and Adam")
    torchjd("imtl_g", {}, K, ta.IMTLG)
    torchjd("aligned_mtl", {}, K, ta.AlignedMTL)
    torchjd("aligned_mtl", {"scale": "rmse"}, K, lambda: ta.AlignedMTL(scale_mode="rmse"))
    torchjd("dualproj", {}, K, lambda: ta.DualProj(projector=exact), 1e-9)
    torchjd("upgrad", {}, K, lambda: ta.UPGrad(projector=exact), 1e-9)
    torchjd("upgrad", {"preference": names}, K, lambda: ta.UPGrad(pref_vector=vector, projector=exact), 1e-9)
    torchjd("config", {}, K, ta.ConFIG)
    torchjd("pcd", {"tau": 0.1, "beta": 0.9}, K, lambda: ta.PCD(tau=0.1, beta=0.9), 1e-7, main=1)
    if K == 4:
        torchjd("krum", {"faulty": 1, "squared": False}, K, lambda: ta.Krum(1))
        torchjd("krum", {"faulty": 1, "squared": False, "selected": 2}, K, lambda: ta.Krum(1, 2))
        torchjd("trimmed_mean", {"trim": 1}, K, lambda: ta.TrimmedMean(1))
    else:
        torchjd("gradvac", {"beta": 0.5}, K, lambda: ta.GradVac(beta=0.5, eps=0))
    sampled("modo", {}, K, ta.MoDoWeighting())
    sampled("sdmgrad", {}, K, ta.SDMGradWeighting())
    case("stch", {"mu": 0.5, "preference": names}, K,
         by_values(K, lambda K: ts.STCH(mu=0.5, weights=vector)), "TorchJD 0.18")
    case("cosmos", {"lambda": 2, "preference": names}, K,
         by_values(K, lambda K: ts.COSMOS(lambda_=2.0, weights=vector)), "TorchJD 0.18")
    case("pbi", {"theta": 3, "preference": names}, K,
         by_values(K, lambda K: ts.PBI(theta=3.0, weights=vector)), "TorchJD 0.18")
    case("gls", {}, K, by_values(K, lambda K: ts.GeometricMean()), "TorchJD 0.18")
    case("imtl_l", {"lr": 0.1}, K, by_values(K, lambda K: ts.IMTLL((K,)).double(), True, lr=0.1), "TorchJD 0.18, torch Adam")
    case("uncertainty", {"lr": 0.1}, K, by_values(K, lambda K: ts.UW((K,)).double(), True, lr=0.1), "TorchJD 0.18, torch Adam")
    case("famo", {"lr": 0.1, "decay": 0.01}, K,
         by_values(K, lambda K: ts.FAMO((K,), lr=0.1, weight_decay=0.01).double()), "TorchJD 0.18")

out = {"about": "made by tests/gating/reference.py", "cases": CASES,
       "data": {str(K): {key: np.asarray(v).tolist() for key, v in d.items()} for K, d in DATA.items()}}
with open(os.path.join(os.path.dirname(__file__), "../golden/gating.json"), "w") as f:
    json.dump(out, f, separators=(",", ":"))
