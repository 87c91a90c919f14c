"""Golden values from PyTorch: two small networks, four optimizers, 20 steps on one fixed batch.

Run with a Python that has torch >= 1.12 and numpy:  python3 test/golden/make_mlp.py
Writes mlp.json and lm.json beside itself. Every number of `parameters`, `inputs` and the float32 results is an exact float32
(its shortest decimal); float64 results have 17 significant digits. Linear weights are written in this project's layout [inputs][outputs];
torch keeps [outputs][inputs]. Nothing of this project's own output goes in.
"""
import json
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 20
MASKED = -1

OPTIMIZERS = [
    ({"kind": "adamW", "learningRate": 0.01, "weightDecay": 0.05}, lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.05)),
    ({"kind": "sgd", "learningRate": 0.05, "momentum": 0.9, "nesterov": True, "weightDecay": 0.001},
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.001)),
    ({"kind": "adam", "learningRate": 0.005, "weightDecay": 0.01}, lambda p: torch.optim.Adam(p, lr=0.005, weight_decay=0.01)),
    ({"kind": "rmsProp", "learningRate": 0.002, "alpha": 0.9, "epsilon": 0.001, "momentum": 0.8, "centered": True, "weightDecay": 0.01},
     lambda p: torch.optim.RMSprop(p, lr=0.002, alpha=0.9, eps=0.001, momentum=0.8, centered=True, weight_decay=0.01)),
]


class Mlp(nn.Module):
    """20 features, ReLU layers of 32 and 16, 5 classes."""

    spec = {"input": {"kind": "features", "features": 20}, "layers": ["linear 32", "relu", "linear 16", "relu", "linear 5"]}

    def __init__(self):
        super().__init__()
        self.linears = nn.ModuleList([nn.Linear(20, 32), nn.Linear(32, 16), nn.Linear(16, 5)])

    def forward(self, x):
        x = F.relu(self.linears[0](x))
        x = F.relu(self.linears[1](x))
        return self.linears[2](x)


class Lm(nn.Module):
    """Context of 3 ids below 24, embeddings of 6, GELU (tanh) layers of 20 and 12, the second linear without bias, 24 classes."""

    spec = {"input": {"kind": "tokens", "vocabulary": 24, "context": 3},
            "layers": ["embedding 6", "linear 20", "gelu", "linear 12 nobias", "gelu", "linear 24"]}

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(24, 6)
        self.linears = nn.ModuleList([nn.Linear(18, 20), nn.Linear(20, 12, bias=False), nn.Linear(12, 24)])

    def forward(self, ids):
        x = self.embedding(ids).flatten(1)
        x = F.gelu(self.linears[0](x), approximate="tanh")
        x = F.gelu(self.linears[1](x), approximate="tanh")
        return self.linears[2](x)


def ours(tensor, name):
    """A tensor in this project's layout: linear weights turned, embedding tables as they are."""
    array = tensor.detach().numpy()
    return array.T if name.startswith("linears") and array.ndim == 2 else array


def single(array):
    out = []
    for v in np.asarray(array, dtype=np.float32).ravel():
        text = np.format_float_scientific(v, unique=True, trim="-", exp_digits=1) if v != 0 else "0"
        number = float(text)
        assert np.float32(number) == v
        out.append(number)
    return out


def double(array):
    return [float(v) for v in np.asarray(array, dtype=np.float64).ravel()]


def run(make, dtype, start, inputs, labels, factory):
    net = make().to(dtype)
    net.load_state_dict({k: v.to(dtype) for k, v in start.items()})
    x = inputs if inputs.dtype == torch.int64 else inputs.to(dtype)
    optimizer = factory(net.parameters())
    losses, gradients = [], None
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels, ignore_index=MASKED)
        loss.backward()
        if gradients is None:
            gradients = [ours(p.grad.clone(), n) for n, p in net.named_parameters()]
        losses.append(loss.item())
        optimizer.step()
    return losses, gradients, [ours(p, n) for n, p in net.named_parameters()]


def golden(name, make, inputs, labels, seed):
    torch.manual_seed(seed)
    net = make()
    start = {k: v.clone() for k, v in net.state_dict().items()}
    names = [n for n, _ in net.named_parameters()]
    out = {
        "about": f"PyTorch {torch.__version__}, made by make_mlp.py; do not edit",
        "model": make.spec,
        "samples": len(labels),
        "labels": labels.tolist(),
        "inputs": inputs.ravel().tolist() if inputs.dtype == torch.int64 else single(inputs.numpy()),
        "parameters": [single(ours(start[n], n)) for n in names],
        "runs": [],
    }
    for description, factory in OPTIMIZERS:
        losses64, gradients, final64 = run(make, torch.float64, start, inputs, labels, factory)
        losses32, _, final32 = run(make, torch.float32, start, inputs, labels, factory)
        out["gradients"] = [double(g) for g in gradients]
        out["runs"].append({
            "optimizer": description,
            "losses64": losses64,
            "losses32": single(losses32),
            "final64": [double(p) for p in final64],
            "final32": [single(p) for p in final32],
        })
    path = os.path.join(HERE, f"{name}.json")
    with open(path, "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")
    print(path, os.path.getsize(path), [(r["losses64"][0], r["losses64"][-1], abs(r["losses64"][-1] - r["losses32"][-1])) for r in out["runs"]])


def main():
    rng = np.random.default_rng(20)
    # 80 samples are two slabs and a half; the labels depend on the inputs, so that the loss has somewhere to go.
    features = rng.standard_normal((80, 20)).astype(np.float32)
    labels = (features @ rng.standard_normal((20, 5)).astype(np.float32)).argmax(1)
    labels[[3, 40, 79]] = MASKED
    golden("mlp", Mlp, torch.from_numpy(features), torch.from_numpy(labels.astype(np.int64)), 1)

    ids = rng.integers(0, 24, (80, 3))
    labels = (ids[:, 0] * 5 + ids[:, 2]) % 24
    ids[ids == 7] = 8  # a row of the table that no sample reads: its gradient is zero and its update dense
    labels[[0, 31, 64]] = MASKED
    golden("lm", Lm, torch.from_numpy(ids), torch.from_numpy(labels), 2)


main()
