"""Golden masks from PyTorch: first masks and two updates of gmp, set and rigl, with and without balance and patterns; values of schedules; counts.

Run with a Python that has torch >= 1.12 and numpy:  python3 test/golden/make_masks.py
Writes masks.json beside itself. Weights and masks are in this project's layout [inputs][outputs], flattened. No two scores are equal, so that torch.topk has no choice.
Random words are Philox-2x32-10, written here after the paper (Salmon et al., SC 2011). Nothing of this project's own output goes in.
"""
import json
import os

import numpy as np
import torch

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
M32 = 0xFFFFFFFF
INIT, GROW = 7, 8


def philox(x0, x1, key):
    for _ in range(10):
        product = 0xD256D193 * x0
        x0, x1 = (product >> 32) ^ key ^ x1, product & M32
        key = (key + 0x9E3779B9) & M32
    return x0, x1


def words(size, seed, purpose, parameter, version):
    """One word a position: key of (seed, purpose, parameter), counter (dense index, version)."""
    key0, key1 = philox(seed & M32, parameter, purpose ^ (seed >> 32))
    return torch.tensor([philox(i ^ key1, version, key0)[0] for i in range(size)], dtype=torch.int64)


class Layout:
    """Scores as rows of what competes with each other, and back to a flat mask."""

    def __init__(self, inputs, outputs, pattern, balance):
        self.inputs, self.outputs, self.pattern, self.balance = inputs, outputs, pattern, balance

    def cells(self, dense):
        """Sum of the four of a block, in float32 one after the other; otherwise the values."""
        if self.pattern != "blocks":
            return dense.view(self.inputs, self.outputs)
        four = dense.view(self.inputs, self.outputs // 4, 4)
        return ((four[..., 0] + four[..., 1]) + four[..., 2]) + four[..., 3]

    def heads(self, dense):
        """The first position of each block; otherwise the values."""
        return dense.view(self.inputs, self.outputs)[:, :: 4 if self.pattern == "blocks" else 1]

    def rows(self, cells):
        inputs, columns = cells.shape
        if isinstance(self.pattern, dict):
            m = self.pattern["m"]
            return cells.view(inputs // m, m, columns).transpose(1, 2).reshape(-1, m)
        if self.balance is None:
            return cells.reshape(1, -1)
        groups = self.balance["groups"]
        if self.balance["axis"] == "inputs":
            return cells.reshape(groups, -1)
        return cells.view(inputs, groups, columns // groups).transpose(0, 1).reshape(groups, -1)

    def unrow(self, rows):
        columns = self.outputs // (4 if self.pattern == "blocks" else 1)
        if isinstance(self.pattern, dict):
            m = self.pattern["m"]
            cells = rows.view(self.inputs // m, columns, m).transpose(1, 2).reshape(self.inputs, columns)
        elif self.balance is not None and self.balance["axis"] == "outputs":
            groups = self.balance["groups"]
            cells = rows.view(groups, self.inputs, columns // groups).transpose(0, 1).reshape(self.inputs, columns)
        else:
            cells = rows.reshape(self.inputs, columns)
        if self.pattern == "blocks":
            cells = cells.repeat_interleave(4, dim=1)
        return cells.reshape(-1)


def top(rows, k):
    mask = torch.zeros_like(rows, dtype=torch.bool)
    if k > 0:
        best = torch.topk(rows, k, dim=1).values
        assert k == rows.shape[1] or bool((torch.sort(rows, dim=1, descending=True).values[:, k] < best[:, -1]).all()), "a tie at the edge"
        mask.scatter_(1, torch.topk(rows, k, dim=1).indices, True)
    return mask


def count(share, of):
    return int(((1 - torch.tensor(share)) * torch.tensor(of, dtype=torch.float32)).int())


def wanted(layout, rows, sparsity):
    return layout.pattern["n"] if isinstance(layout.pattern, dict) else count(sparsity, rows.shape[1])


def first_mask(layout, init, weights, sparsity, seed, parameter):
    if init == "random":
        rows = layout.rows(layout.heads(words(weights.numel(), seed, INIT, parameter, 0)))
    else:
        rows = layout.rows(layout.cells(weights.abs()))
    return layout.unrow(top(rows, wanted(layout, rows, sparsity)))


def next_mask(layout, algorithm, mask, weights, gradient, update, seed, parameter):
    rows = layout.rows(layout.cells(weights.abs()))
    if algorithm == "gmp":
        return layout.unrow(top(rows, wanted(layout, rows, update["sparsity"])))
    stored = layout.rows(layout.heads(mask.view(-1)))
    keep = count(update["dropFraction"], float(stored.sum()) / stored.shape[0])
    kept = top(torch.where(stored, rows, torch.tensor(-1.0)), keep)
    if algorithm == "set":
        score = layout.rows(layout.heads(words(weights.numel(), seed, GROW, parameter, update["version"])))
    else:
        score = layout.rows(layout.cells(gradient.abs()))
    more = max(0, wanted(layout, rows, update["sparsity"]) - keep)
    return layout.unrow(kept | top(torch.where(kept, torch.tensor(-1, dtype=score.dtype), score), more))


def values(rng, size, fractional):
    """Distinct magnitudes: short ones, or any float32 where sums have to round."""
    if fractional:
        return torch.tensor(rng.standard_normal(size).astype(np.float32))
    return torch.tensor((rng.permutation(size) + 1).astype(np.float32) * rng.choice([-1, 1], size) / 8)


def make_case(name, algorithm, init, sparsity, updates, pattern="unstructured", balance=None, inputs=12, outputs=16, seed=7, parameter=2):
    rng = np.random.default_rng(sum(map(ord, name)))
    layout, size, fractional = Layout(inputs, outputs, pattern, balance), inputs * outputs, pattern == "blocks"
    weights = values(rng, size, fractional)
    mask = first_mask(layout, init, weights, sparsity, seed, parameter)
    text = lambda m: "".join("1" if b else "0" for b in m.tolist())
    flat = lambda t: [float(np.format_float_positional(np.float32(x), unique=True)) for x in t.tolist()]
    case = {"name": name, "algorithm": algorithm, "init": init, "pattern": pattern, "balance": balance, "inputs": inputs, "outputs": outputs, "seed": seed,
            "parameter": parameter, "sparsity": sparsity, "weights": flat(weights), "first": text(mask), "updates": []}
    for version, (s, drop) in updates:
        update = {"version": version, "sparsity": float(np.float32(s)), "dropFraction": float(np.float32(drop))}
        dense, gradient = values(rng, size, fractional), values(rng, size, fractional)
        mask = next_mask(layout, algorithm, mask, torch.where(mask, dense, torch.tensor(0.0)), gradient, update, seed, parameter)
        case["updates"].append({**update, "weights": flat(dense), **({"gradient": flat(gradient)} if algorithm == "rigl" else {}), "mask": text(mask)})
    return case


INS, OUTS = {"axis": "inputs", "groups": 4}, {"axis": "outputs", "groups": 2}
CASES = [
    make_case("topk", "static", "topk", 0.7, []),
    make_case("topk, groups of inputs", "static", "topk", 0.7, [], balance=INS),
    make_case("random", "static", "random", 0.9, [], seed=2**40 + 5),
    make_case("gmp", "gmp", "topk", 0.2, [(10, (0.5, 0)), (20, (0.9, 0))]),
    make_case("gmp, groups of outputs", "gmp", "random", 0.3, [(1, (0.5, 0)), (2, (0.75, 0))], balance=OUTS),
    make_case("gmp 2:4", "gmp", "topk", 0.5, [(4, (0.5, 0))], pattern={"n": 2, "m": 4}),
    make_case("set", "set", "random", 0.8, [(5, (0.8, 0.3)), (10, (0.8, 0.6))]),
    make_case("set, groups of inputs", "set", "random", 0.6, [(1, (0.6, 0.25)), (2, (0.5, 0.5))], balance=INS),
    make_case("rigl", "rigl", "random", 0.8, [(100, (0.8, 0.3)), (200, (0.8, 0.1))]),
    make_case("rigl, groups of outputs", "rigl", "topk", 0.65, [(3, (0.65, 0.3)), (6, (0.7, 0.9))], balance=OUTS),
    make_case("rigl, groups of inputs, less is wanted than is kept", "rigl", "random", 0.25, [(3, (0.9, 0.1))], balance=INS),
    make_case("rigl in blocks", "rigl", "topk", 0.5, [(3, (0.5, 0.4))], pattern="blocks"),
    make_case("set in blocks, groups of outputs", "set", "random", 0.5, [(3, (0.5, 0.4))], pattern="blocks", balance=OUTS),
]

T = torch.tensor
SCHEDULES = [
    ({"kind": "linear", "init": 0.9, "slope": -0.002}, lambda s: T(0.9) + s * T(-0.002)),
    ({"kind": "linear", "init": 0.1, "slope": 0.01}, lambda s: T(0.1) + s * T(0.01)),
    ({"kind": "exponential", "init": 0.0, "gamma": -0.05, "final": 1}, lambda s: T(1.0) - (T(1.0) - T(0.0)) * torch.exp(s * T(-0.05))),
    ({"kind": "exponential", "init": 0.3, "gamma": -0.01, "final": 0.9}, lambda s: T(0.9) - (T(0.9) - T(0.3)) * torch.exp(s * T(-0.01))),
    ({"kind": "power", "init": 0.8, "beta": 0.97}, lambda s: T(0.8) * torch.pow(T(0.97), s)),
    ({"kind": "power", "init": 0.5, "beta": 1.01}, lambda s: T(0.5) * torch.pow(T(1.01), s)),
    ({"kind": "cosine", "init": 0.3, "halfPeriod": 100, "minimum": 0}, lambda s: T(0.15) * torch.cos(s * T(torch.pi / 100)) + T(0.15)),
    ({"kind": "cosine", "init": 0.6, "halfPeriod": 37.5, "minimum": 0.1}, lambda s: T(0.25) * torch.cos(s * T(torch.pi / 37.5)) + T(0.35)),
]
STEPS = [0, 1, 2, 3, 7, 25, 50, 75, 100, 150]
COUNTS = [(s, n) for s in (0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0) for n in (1, 10, 30, 100, 768, 2359296)]

with open(os.path.join(HERE, "masks.json"), "w") as out:
    json.dump({
        "cases": CASES,
        "schedules": [{"schedule": spec, "values": [[s, float(f(T(float(s))).clamp(0, 1))] for s in STEPS]} for spec, f in SCHEDULES],
        "counts": [[s, n, count(s, n)] for s, n in COUNTS],
    }, out, separators=(",", ":"))
    out.write("\n")
