"""Golden values from PyTorch: a GPT-2 stack and a Llama stack, written out with plain torch functions, from weights in safetensors files.

Run with a Python that has torch >= 1.12 and numpy:  python3 test/golden/make_transformers.py
Writes two folders beside itself, gpt2/ and llama/, each with

  config.json, model.safetensors   the first weights, with Hugging Face's names and layouts, float32
  golden.json                      one batch with its loss; 50 batches with the losses of 50 AdamW steps over them; greedy generation (gpt2)
  golden.safetensors               of the one batch, by this project's names of layers and parameters, [tokens][features] and [inputs][outputs]:
                                   activations.<layer>, deltas.<layer> (float64, stored as float32), gradients.<parameter> (float64)

All values but those that say 32 come from a float64 run. Rotary angles are data: place times frequency, rounded to float32 as the transformers library has them.
Nothing of this project's own output goes in.
"""
import json
import math
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, SAMPLES, T, V, D, LAYERS = 50, 3, 40, 61, 32, 2
MASKED = -1

GPT_CONFIG = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new", "vocab_size": V, "n_positions": T, "n_ctx": T, "n_embd": D,
    "n_layer": LAYERS, "n_head": 2, "n_inner": 64, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "attn_pdrop": 0.0, "layer_norm_epsilon": 1e-5, "initializer_range": 0.02,
    "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0, "torch_dtype": "float32",
}
LLAMA_CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": V, "max_position_embeddings": T, "hidden_size": D,
    "intermediate_size": 48, "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "initializer_range": 0.02,
    "rope_theta": 100.0,
    "rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
    "tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False, "bos_token_id": 0, "eos_token_id": 0, "torch_dtype": "float32",
}

RUNS = [
    {"optimizer": {"learningRate": 0.003, "weightDecay": 0.01}, "clip": None},
    {"optimizer": {"learningRate": 0.01, "weightDecay": 0.1, "beta2": 0.95}, "clip": 0.5},
]


def causal_attention(q, k, v):
    """q [B][H][T][h], k and v [B][K][T][h], a key-value head for each H / K heads in a row -> [B][T][H * h]."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
    t = q.shape[2]
    scores = scores.masked_fill(torch.ones(t, t).triu(1).bool(), -math.inf)
    return (torch.softmax(scores, dim=-1) @ v).transpose(1, 2).flatten(2)


def heads_of(x, count):
    """[B][T][count * h] -> [B][count][T][h]"""
    return x.unflatten(2, (count, -1)).transpose(1, 2)


def gpt(w, ids, keep):
    """w: Hugging Face's names; keep(name, tensor) remembers a layer's output and hands it on. Returns logits."""
    c, heads = GPT_CONFIG, GPT_CONFIG["n_head"]
    p = {name.removeprefix("transformer."): value for name, value in w.items()}
    norm = lambda name, x: F.layer_norm(x, (D,), p[f"{name}.weight"], p[f"{name}.bias"], c["layer_norm_epsilon"])
    conv1d = lambda name, x: x @ p[f"{name}.weight"] + p[f"{name}.bias"]  # weights lie [inputs][outputs]
    x = keep("wte", p["wte.weight"][ids] + p["wpe.weight"][torch.arange(ids.shape[1])])
    for i in range(LAYERS):
        y = keep(f"h.{i}.ln_1", norm(f"h.{i}.ln_1", x))
        y = keep(f"h.{i}.attn.c_attn", conv1d(f"h.{i}.attn.c_attn", y))
        q, k, v = y.split(D, dim=2)
        y = keep(f"h.{i}.attn", causal_attention(heads_of(q, heads), heads_of(k, heads), heads_of(v, heads)))
        y = keep(f"h.{i}.attn.c_proj", conv1d(f"h.{i}.attn.c_proj", y))
        x = keep(f"residual{2 * i}", x + y)
        y = keep(f"h.{i}.ln_2", norm(f"h.{i}.ln_2", x))
        y = keep(f"h.{i}.mlp.c_fc", conv1d(f"h.{i}.mlp.c_fc", y))
        y = keep(f"gelu{i}", F.gelu(y, approximate="tanh"))
        y = keep(f"h.{i}.mlp.c_proj", conv1d(f"h.{i}.mlp.c_proj", y))
        x = keep(f"residual{2 * i + 1}", x + y)
    x = keep("ln_f", norm("ln_f", x))
    return keep("lm_head", F.linear(x, p["wte.weight"]))


def rotary_angles(c, places):
    """Angles [places][h / 2] in float32, frequencies scaled as Llama 3 has it."""
    size, s = c["hidden_size"] // c["num_attention_heads"], c["rope_scaling"]
    frequency = c["rope_theta"] ** (-np.arange(0, size, 2, dtype=np.float64) / size)
    turns = s["original_max_position_embeddings"] * frequency / (2 * math.pi)
    low, high = s["low_freq_factor"], s["high_freq_factor"]
    share = np.clip((turns - low) / (high - low), 0, 1)
    frequency = (1 - share) * frequency / s["factor"] + share * frequency
    angles = np.arange(places, dtype=np.float32)[:, None] * frequency.astype(np.float32)
    assert angles.dtype == np.float32
    return torch.from_numpy(angles)


def rotate(x, angles):
    """x [B][heads][T][h]; pairs (i, i + h / 2) are turned."""
    a, b = x.chunk(2, dim=3)
    cos, sin = angles.to(x.dtype).cos(), angles.to(x.dtype).sin()
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=3)


def llama(w, ids, keep):
    c, heads, kv = LLAMA_CONFIG, LLAMA_CONFIG["num_attention_heads"], LLAMA_CONFIG["num_key_value_heads"]
    size = D // heads
    norm = lambda name, x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + c["rms_norm_eps"]) * w[f"{name}.weight"]
    linear = lambda name, x: F.linear(x, w[f"{name}.weight"])  # weights lie [outputs][inputs]
    flat = lambda x: x.transpose(1, 2).flatten(2)
    angles = rotary_angles(c, ids.shape[1])
    x = keep("model.embed_tokens", w["model.embed_tokens.weight"][ids])
    for i in range(LAYERS):
        at = f"model.layers.{i}"
        y = keep(f"{at}.input_layernorm", norm(f"{at}.input_layernorm", x))
        y = keep(f"{at}.self_attn.qkv_proj", torch.cat([linear(f"{at}.self_attn.{part}_proj", y) for part in "qkv"], dim=2))
        q, k, v = y.split([heads * size, kv * size, kv * size], dim=2)
        y = keep(f"rotary{i}", torch.cat([flat(rotate(heads_of(q, heads), angles)), flat(rotate(heads_of(k, kv), angles)), v], dim=2))
        q, k, v = y.split([heads * size, kv * size, kv * size], dim=2)
        y = keep(f"{at}.self_attn", causal_attention(heads_of(q, heads), heads_of(k, kv), heads_of(v, kv)))
        y = keep(f"{at}.self_attn.o_proj", linear(f"{at}.self_attn.o_proj", y))
        x = keep(f"residual{2 * i}", x + y)
        y = keep(f"{at}.post_attention_layernorm", norm(f"{at}.post_attention_layernorm", x))
        y = keep(f"{at}.mlp.gate_up_proj", torch.cat([linear(f"{at}.mlp.gate_proj", y), linear(f"{at}.mlp.up_proj", y)], dim=2))
        gate, up = y.chunk(2, dim=2)
        y = keep(f"swiglu{i}", F.silu(gate) * up)
        y = keep(f"{at}.mlp.down_proj", linear(f"{at}.mlp.down_proj", y))
        x = keep(f"residual{2 * i + 1}", x + y)
    x = keep("model.norm", norm("model.norm", x))
    return keep("lm_head", linear("lm_head", x))


def gpt_shapes():
    yield "transformer.wte.weight", (V, D)
    yield "transformer.wpe.weight", (T, D)
    for i in range(LAYERS):
        for name, shape in (("ln_1", (D,)), ("attn.c_attn", (D, 3 * D)), ("attn.c_proj", (D, D)), ("ln_2", (D,)), ("mlp.c_fc", (D, 64)), ("mlp.c_proj", (64, D))):
            yield f"transformer.h.{i}.{name}.weight", shape
            yield f"transformer.h.{i}.{name}.bias", shape[-1:]
    yield "transformer.ln_f.weight", (D,)
    yield "transformer.ln_f.bias", (D,)


def llama_shapes():
    yield "model.embed_tokens.weight", (V, D)
    for i in range(LAYERS):
        at = f"model.layers.{i}"
        yield f"{at}.input_layernorm.weight", (D,)
        for part, rows in (("q", D), ("k", D // 2), ("v", D // 2), ("o", D)):
            yield f"{at}.self_attn.{part}_proj.weight", (rows, D)
        yield f"{at}.post_attention_layernorm.weight", (D,)
        yield f"{at}.mlp.gate_proj.weight", (48, D)
        yield f"{at}.mlp.up_proj.weight", (48, D)
        yield f"{at}.mlp.down_proj.weight", (D, 48)
    yield "model.norm.weight", (D,)
    yield "lm_head.weight", (V, D)


def first_weights(shapes, seed):
    """Wide enough that every layer matters: matrices 0.25, tables 0.5, biases 0.2, gains around 1."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes:
        values = rng.standard_normal(shape)
        values = values * (0.5 if "wte" in name or "wpe" in name or "embed" in name else 0.25) if len(shape) == 2 else 1 + 0.2 * values if name.endswith("weight") else 0.2 * values
        weights[name] = values.astype(np.float32)
    return weights


def ours_gpt(name, tensors):
    return {name.removeprefix("transformer."): value for name, value in tensors.items()}


def ours_llama(name, tensors):
    """Linear weights turned to [inputs][outputs], Q, K and V side by side, gate and up side by side."""
    out, t = {}, lambda part: tensors[part].T
    for name, value in tensors.items():
        if name.endswith(".q_proj.weight"):
            out[name.replace("q_proj", "qkv_proj")] = np.concatenate([t(name.replace("q_proj", f"{part}_proj")) for part in "qkv"], axis=1)
        elif name.endswith(".gate_proj.weight"):
            out[name.replace("gate_proj", "gate_up_proj")] = np.concatenate([t(name), t(name.replace("gate_proj", "up_proj"))], axis=1)
        elif name.endswith((".o_proj.weight", ".down_proj.weight", "lm_head.weight")):
            out[name] = value.T
        elif not name.endswith(("k_proj.weight", "v_proj.weight", "up_proj.weight")):
            out[name] = value
    return out


def save(path, tensors, metadata):
    types = {"float32": "F32", "float64": "F64"}
    arrays = {name: np.ascontiguousarray(value) for name, value in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))}
    header, at = {"__metadata__": metadata}, 0
    for name, value in arrays.items():
        header[name] = {"dtype": types[str(value.dtype)], "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in arrays.values():
            file.write(value.tobytes())
    return 8 + len(text) + at


def loss_of(logits, labels):
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=MASKED)


def one_batch(net, weights, ids, labels):
    w = {name: torch.from_numpy(value).double().requires_grad_() for name, value in weights.items()}
    kept = {}

    def keep(name, value):
        value.retain_grad()
        kept[name] = value
        return value

    loss = loss_of(net(w, ids, keep), labels)
    loss.backward()
    rows = lambda x: x.detach().flatten(0, 1).numpy().astype(np.float32)
    out = {f"activations.{name}": rows(value) for name, value in kept.items()}
    out["activations.loss"] = rows(torch.softmax(kept["lm_head"], dim=2))
    out.update({f"deltas.{name}": rows(value.grad) for name, value in kept.items()})
    return loss.item(), out, {name: value.grad.numpy() for name, value in w.items()}


def train(net, weights, batches, run, dtype):
    w = {name: torch.from_numpy(value).to(dtype, copy=True).requires_grad_() for name, value in weights.items()}
    o = run["optimizer"]
    optimizer = torch.optim.AdamW(w.values(), lr=o["learningRate"], betas=(0.9, o.get("beta2", 0.999)), eps=1e-8, weight_decay=o["weightDecay"])
    losses, norms = [], []
    for batch in torch.from_numpy(batches):
        optimizer.zero_grad()
        loss = loss_of(net(w, batch[:, :-1], lambda _, value: value), batch[:, 1:])
        loss.backward()
        if run["clip"] is not None:
            norms.append(torch.nn.utils.clip_grad_norm_(w.values(), run["clip"]).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def generate(net, weights, prompts, count):
    w = {name: torch.from_numpy(value).double() for name, value in weights.items()}
    out = []
    for prompt in prompts:
        ids, gaps = list(prompt), []
        for _ in range(count):
            two = net(w, torch.tensor([ids]), lambda _, value: value)[0, -1].topk(2)
            ids.append(int(two.indices[0]))
            gaps.append(float(two.values[0] - two.values[1]))
        out.append({"prompt": list(prompt), "tokens": ids[len(prompt):], "gaps": gaps})
    return out


def sequences(rng, count, length):
    """Ids with something to learn: mostly a function of the two before."""
    ids = rng.integers(0, V, (count, length))
    for t in range(2, length):
        follow = (5 * ids[:, t - 1] + 3 * ids[:, t - 2] + 1) % V
        ids[:, t] = np.where(rng.random(count) < 0.85, follow, ids[:, t])
    return ids


def golden(family, net, config, shapes, ours, seed):
    folder = os.path.join(HERE, family)
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(seed)
    weights = first_weights(shapes, seed)
    ids = sequences(rng, SAMPLES, T + 1)
    labels = ids[:, 1:].copy()
    ids = ids[:, :-1].copy()
    labels[0, 3] = labels[1, 17:23] = labels[2, T - 1] = MASKED
    ids[ids == 7] = 8  # a row of the table that no token reads
    loss, values, gradients = one_batch(net, weights, torch.from_numpy(ids), torch.from_numpy(labels))
    values.update({f"gradients.{name}": value for name, value in ours(family, gradients).items()})
    batches = sequences(rng, STEPS * SAMPLES, T + 1).reshape(STEPS, SAMPLES, T + 1)
    runs = []
    for run in RUNS:
        losses64, norms = train(net, weights, batches, run, torch.float64)
        losses32, _ = train(net, weights, batches, run, torch.float32)
        runs.append({**run, "losses64": losses64, "norms64": norms, "losses32": losses32})
    out = {"about": f"PyTorch {torch.__version__}, made by make_transformers.py; do not edit", "ids": ids.tolist(), "labels": labels.tolist(), "loss": loss, "batches": batches.tolist(), "runs": runs}
    if family == "gpt2":
        prompts = [sequences(rng, 1, max(2, length))[0, :length].tolist() for length in (1, 2, 3, 5, 8, 11, 14, 16)]
        out["generation"] = generate(net, weights, prompts, 24)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    with open(os.path.join(folder, "golden.json"), "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")
    sizes = save(os.path.join(folder, "model.safetensors"), weights, {"format": "pt"}), save(os.path.join(folder, "golden.safetensors"), values, {"about": out["about"]})
    print(family, sizes, loss, [(r["losses64"][0], r["losses64"][-1], max(abs(a - b) for a, b in zip(r["losses64"], r["losses32"])), r["norms64"][:3]) for r in runs])
    print([(min(g["gaps"]), g["tokens"][:12]) for g in out.get("generation", [])])


if __name__ == "__main__":
    golden("gpt2", gpt, GPT_CONFIG, gpt_shapes(), ours_gpt, 31)
    golden("llama", llama, LLAMA_CONFIG, llama_shapes(), ours_llama, 32)
