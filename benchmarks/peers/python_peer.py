"""NumPy (OpenBLAS) or PyTorch as a peer: reads JSON commands from stdin, answers on stdout (protocol.ts).

Usage: python_peer.py numpy|torch threads
"""
import ctypes
import json
import math
import os
import sys
import time

import numpy as np

library, threads = sys.argv[1], int(sys.argv[2])
if library == "torch":
    import torch

    torch.set_num_threads(threads)


def made(length, salt, scale):
    """The numbers of harness/data.ts."""
    index = (np.arange(length, dtype=np.uint64) + np.uint64(salt)) * np.uint64(2654435761)
    return ((((index & np.uint64(0xFFFFFFFF)) >> np.uint64(8)).astype(np.float64) / 16777216.0 - 0.5) * scale).astype(np.float32)


def places(length):
    return [(i * (length - 1)) // 63 for i in range(64)]


class Linear:
    def __init__(self, c):
        tokens, inputs, outputs = c["tokens"], c["inputs"], c["outputs"]
        x = made(tokens * inputs, 1, 2).reshape(tokens, inputs)
        w = made(inputs * outputs, 2, 2).reshape(inputs, outputs)
        dy = made(tokens * outputs, 3, 2).reshape(tokens, outputs)
        a, b = {"forward": (x, w), "delta": (dy, w.T), "gradient": (x.T, dy)}[c["product"]]
        if library == "torch":
            a, b = torch.from_numpy(a), torch.from_numpy(b)
            out = torch.empty(a.shape[0], b.shape[1])
            self.run = lambda: torch.mm(a, b, out=out)
        else:
            out = np.empty((a.shape[0], b.shape[1]), np.float32)
            self.run = lambda: np.dot(a, b, out=out)
        self.run()
        flat = out.reshape(-1)
        self.check = [float(flat[p]) for p in places(flat.shape[0])]


class LinearStep:
    def __init__(self, c):
        self.products = [Linear({**c, "product": product}) for product in ("forward", "delta", "gradient")]
        self.check = [value for product in self.products for value in product.check]

    def run(self):
        for product in self.products:
            product.run()


class Compressed:
    """y = x · w as the library likes it best: rows of outputs, compressed, times a column for each token."""

    def __init__(self, c):
        from python_gpt import mixed

        tokens, inputs, outputs = c["tokens"], c["inputs"], c["outputs"]
        x = np.ascontiguousarray(made(tokens * inputs, 1, 2).reshape(tokens, inputs).T)
        w = made(inputs * outputs, 2, 2)
        w[mixed(inputs * outputs, c["maskSalt"], 1).astype(np.float64) + 0.5 < c["sparsity"]] = 0
        rows, columns = torch.from_numpy(np.ascontiguousarray(w.reshape(inputs, outputs).T)).to_sparse_csr(), torch.from_numpy(x)
        self.run = lambda: rows @ columns
        flat = self.run().t().reshape(-1)
        self.check = [float(flat[p]) for p in places(flat.shape[0])]


class Mlp:
    def __init__(self, c):
        sizes, batch = c["sizes"], c["batch"]
        self.x = torch.from_numpy(made(batch * sizes[0], 1, 2).reshape(batch, sizes[0]))
        self.labels = torch.arange(batch) % sizes[-1]
        layers = []
        for l, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
            linear = torch.nn.Linear(inputs, outputs)
            with torch.no_grad():
                w = made(inputs * outputs, 10 + l, 2 / math.sqrt(inputs)).reshape(inputs, outputs)
                linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(w.T)))
                linear.bias.zero_()
            layers += [linear, torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*layers[:-1])
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=c["learningRate"])

    def step(self):
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.net(self.x), self.labels)
        loss.backward()
        self.optimizer.step()
        return float(loss)


def blas_is_fast():
    """Whether an optimized BLAS is loaded: Debian's PyTorch also runs on the reference library, some twenty times slower."""
    if not os.path.exists("/proc/self/maps"):
        return True
    with open("/proc/self/maps") as maps:
        text = maps.read().lower()
    return any(name in text for name in ("openblas", "mkl_", "libblis", "libatlas"))


def better_core():
    """The kernels that OpenBLAS should use where it does not know the processor and falls back to the oldest ones it has; None where it knows."""
    if "OPENBLAS_CORETYPE" in os.environ or not os.path.exists("/proc/self/maps"):
        return None
    with open("/proc/self/maps") as maps:
        loaded = {line.split()[-1] for line in maps if "openblas" in line.rsplit("/", 1)[-1]}
    with open("/proc/cpuinfo") as info:
        features = set(next((line for line in info if line.startswith("flags")), "").split())
    for path in loaded:
        name = getattr(ctypes.CDLL(path), "openblas_get_corename", None)
        if name is None:
            continue
        name.restype = ctypes.c_char_p
        if name() in (b"Prescott", b"generic", b"Unknown") and "avx2" in features:
            return "SkylakeX" if {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= features else "Haswell"
    return None


state = None
core = better_core()
if core is not None:
    os.environ["OPENBLAS_CORETYPE"] = core
    os.execv(sys.executable, [sys.executable, *sys.argv])
if not blas_is_fast():
    print(json.dumps({"error": "its BLAS is the reference one: install libopenblas0, or name a folder with libblas.so.3 in BENCH_LIBRARY_PATH"}), flush=True)
    sys.exit(1)
print(json.dumps({}), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    answer = {}
    try:
        if command["op"] == "linear":
            state = Linear(command)
            answer = {"check": state.check}
        elif command["op"] == "linearStep":
            state = LinearStep(command)
            answer = {"check": state.check}
        elif command["op"] == "compressed":
            state = Compressed(command)
            answer = {"check": state.check}
        elif command["op"] == "time":
            start = time.perf_counter()
            for _ in range(command["times"]):
                state.run()
            answer = {"seconds": (time.perf_counter() - start) / command["times"]}
        elif command["op"] == "mlp":
            state = Mlp(command)
        elif command["op"] == "gpt":
            from python_gpt import Training

            state = Training(command)
        elif command["op"] == "gptPrompts":
            from python_gpt import Generation

            state = Generation(command)
        elif command["op"] == "generate":
            answer = state.run(command["count"])
        else:
            seconds, losses = [], []
            for _ in range(command["count"]):
                start = time.perf_counter()
                losses.append(state.step())
                seconds.append(time.perf_counter() - start)
            answer = {"seconds": seconds, "losses": losses}
    except Exception as error:  # the bench decides what a failed peer means
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
