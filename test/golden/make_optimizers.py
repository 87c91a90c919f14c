"""Golden values of optimizers: RMSprop, SGD, Adam and AdamW by PyTorch in float64, Lion, Lamb and Adafactor by plain lines of numpy in float64.

Run with a Python that has torch >= 1.12 and numpy:  python3 test/golden/make_optimizers.py
Writes optimizers.json beside itself: tensors, the gradients of every step (exact float32, their shortest decimal), and the weights and moments behind the last step.
The plain lines below are written from the publications, for matrices and vectors as they are, with none of this project's code.
"""
import json
import os

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 8
SHAPES = [[5, 7], [12], [70, 3], [4]]


def single(array):
    return [float(np.format_float_scientific(v, unique=True, exp_digits=1)) if v != 0 else 0.0 for v in np.asarray(array, dtype=np.float32).ravel()]


def double(array):
    return [float(v) for v in np.asarray(array, dtype=np.float64).ravel()]


def by_torch(factory, names):
    def run(start, gradients):
        p = torch.nn.Parameter(torch.from_numpy(start.copy()))
        optimizer = factory([p])
        for g in gradients:
            p.grad = torch.from_numpy(g.copy())
            optimizer.step()
        state = optimizer.state[p]
        return p.detach().numpy(), [state[n].numpy() for n in names]
    return run


def lion(lr=1e-4, beta1=0.9, beta2=0.99, decay=0.0):
    def run(w, gradients):
        m = np.zeros_like(w)
        for g in gradients:
            direction = np.sign(beta1 * m + (1 - beta1) * g)
            w = w * (1 - lr * decay) - lr * direction
            m = beta2 * m + (1 - beta2) * g
        return w, [m]
    return run


def lamb(lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-6, decay=0.0):
    def run(w, gradients):
        m, v = np.zeros_like(w), np.zeros_like(w)
        for t, g in enumerate(gradients, 1):
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            direction = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon) + decay * w
            of_w, of_u = np.sqrt((w**2).sum()), np.sqrt((direction**2).sum())
            ratio = of_w / of_u if of_w > 0 and of_u > 0 else 1.0
            w = w - lr * ratio * direction
        return w, [m, v]
    return run


def adafactor(lr=None, eps1=1e-30, eps2=1e-3, clip=1.0, decay_rate=-0.8, beta1=None, decay=0.0, scale=True, warmup=False):
    def run(w, gradients):
        matrix = w.ndim == 2
        row, col, v, m = (np.zeros(w.shape[:-1]), np.zeros(w.shape[-1:]), np.zeros_like(w), np.zeros_like(w))
        for t, g in enumerate(gradients, 1):
            rho = lr if lr is not None else min(1e-6 * t if warmup else 1e-2, 1 / np.sqrt(t))
            if scale:
                rho = rho * max(eps2, np.sqrt((w**2).mean()))
            b2 = 1 - t**decay_rate
            square = g**2 + eps1
            if matrix:
                row = b2 * row + (1 - b2) * square.mean(axis=1)
                col = b2 * col + (1 - b2) * square.mean(axis=0)
                update = g / np.sqrt(np.outer(row, col) / row.mean())
            else:
                v = b2 * v + (1 - b2) * square
                update = g / np.sqrt(v)
            update = rho * update / max(1.0, np.sqrt((update**2).mean()) / clip)
            if beta1 is not None:
                m = beta1 * m + (1 - beta1) * update
                update = m
            w = w - decay * rho * w - update
        return w, ([row, col] if matrix else [v]) + ([m] if beta1 is not None else [])
    return run


def cases():
    for decay in (0.0, 0.05):
        for momentum in (0.0, 0.7):
            for centered in (False, True):
                names = ["square_avg"] + (["grad_avg"] if centered else []) + (["momentum_buffer"] if momentum else [])
                yield ({"kind": "rmsProp", "learningRate": 0.02, "alpha": 0.9, "momentum": momentum, "centered": centered, "weightDecay": decay},
                       by_torch(lambda p, d=decay, m=momentum, c=centered: torch.optim.RMSprop(p, lr=0.02, alpha=0.9, momentum=m, centered=c, weight_decay=d), names))
        for kind, make in (("adam", torch.optim.Adam), ("adamW", torch.optim.AdamW)):
            yield ({"kind": kind, "learningRate": 0.01, "weightDecay": decay}, by_torch(lambda p, d=decay, make=make: make(p, lr=0.01, weight_decay=d), ["exp_avg", "exp_avg_sq"]))
        for nesterov, dampening in ((True, 0.0), (False, 0.3)):
            yield ({"kind": "sgd", "learningRate": 0.03, "momentum": 0.9, "nesterov": nesterov, "dampening": dampening, "weightDecay": decay},
                   by_torch(lambda p, d=decay, n=nesterov, q=dampening: torch.optim.SGD(p, lr=0.03, momentum=0.9, nesterov=n, dampening=q, weight_decay=d), ["momentum_buffer"]))
        yield {"kind": "lion", "learningRate": 0.01, "weightDecay": decay}, lion(lr=0.01, decay=decay)
        yield {"kind": "lamb", "learningRate": 0.01, "weightDecay": decay}, lamb(lr=0.01, decay=decay)
        yield {"kind": "adafactor", "weightDecay": decay}, adafactor(decay=decay)
        yield {"kind": "adafactor", "weightDecay": decay, "beta1": 0.9, "clipThreshold": 0.5, "warmupInit": True}, adafactor(decay=decay, beta1=0.9, clip=0.5, warmup=True)
        yield ({"kind": "adafactor", "weightDecay": decay, "learningRate": 0.02, "relativeStep": False, "scaleParameter": False, "decayRate": -0.5},
               adafactor(decay=decay, lr=0.02, scale=False, decay_rate=-0.5))


def main():
    rng = np.random.default_rng(21)
    tensors = []
    for shape in SHAPES:
        start = rng.standard_normal(shape).astype(np.float32)
        gradients = [rng.standard_normal(shape).astype(np.float32) for _ in range(STEPS)]
        if shape == [70, 3]:
            for g in gradients:
                g[4] = 0  # a row that nothing reads
        if shape == [4]:
            start[:] = 0  # a bias that begins with zeros
        tensors.append((start, gradients))
    out = {
        "about": f"PyTorch {torch.__version__} and numpy {np.__version__}, made by make_optimizers.py; do not edit",
        "tensors": [{"shape": shape, "start": single(start), "gradients": [single(g) for g in gradients]} for shape, (start, gradients) in zip(SHAPES, tensors)],
        "runs": [],
    }
    for description, run in cases():
        ends = []
        for start, gradients in tensors:
            weight, moments = run(start.astype(np.float64), [g.astype(np.float64) for g in gradients])
            ends.append({"weight": double(weight), "moments": [double(m) for m in moments]})
        out["runs"].append({"optimizer": description, "ends": ends})
    path = os.path.join(HERE, "optimizers.json")
    with open(path, "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")
    print(path, os.path.getsize(path), len(out["runs"]))


main()
