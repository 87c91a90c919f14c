"""A GPT over plain torch modules, as fast as plain PyTorch makes it on a CPU: training with AdamW, greedy generation with a key-value cache.

The architecture of src/model/presets/gpt.ts: learned positions, LayerNorm, fused Q, K and V, GELU in its tanh form, the head tied to the table.
Weights and batches are those of harness/transformer.ts, made here. Not here: the protocol's transport (python_peer.py).
"""
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def mixed(length, salt, scale):
    """The numbers of harness/data.ts, `mixed`."""
    h = np.arange(length, dtype=np.uint32) + np.uint32((salt * 0x9E3779B9) & 0xFFFFFFFF)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return (((h >> np.uint32(8)).astype(np.float64) / 16777216.0 - 0.5) * scale).astype(np.float32)


def ids_of(length, salt, vocabulary):
    return torch.from_numpy(np.floor((mixed(length, salt, 1).astype(np.float64) + 0.5) * vocabulary).astype(np.int64))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.c_attn, self.c_proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.c_fc, self.c_out = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def parts(self):
        return [self.ln_1, self.c_attn, self.c_proj, self.ln_2, self.c_fc, self.c_out]

    def split(self, x):
        """Q, K and V, each [samples · heads][tokens][head size]."""
        samples, tokens, dim = x.shape
        qkv = self.c_attn(self.ln_1(x)).view(samples, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        return qkv.reshape(3, samples * self.heads, tokens, dim // self.heads).unbind(0)

    def rest(self, x, attended):
        samples, tokens, dim = x.shape
        merged = attended.view(samples, self.heads, tokens, dim // self.heads).transpose(1, 2).reshape(samples, tokens, dim)
        x = x + self.c_proj(merged)
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))

    def forward(self, x, mask):
        q, k, v = self.split(x)
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=1 / math.sqrt(q.shape[-1]))
        return self.rest(x, torch.bmm(torch.softmax(scores, -1), v))

    def cached(self, x, keys, values, at, mask):
        """As forward for the tokens from place `at` on; keys and values: [samples · heads][places][head size]."""
        q, k, v = self.split(x)
        end = at + x.shape[1]
        keys[:, at:end], values[:, at:end] = k, v
        scale = 1 / math.sqrt(q.shape[-1])
        past = keys[:, :end].transpose(1, 2)
        scores = torch.bmm(q, past).mul_(scale) if mask is None else torch.baddbmm(mask, q, past, alpha=scale)
        return self.rest(x, torch.bmm(torch.softmax(scores, -1), values[:, :end]))


class Gpt(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.shape = c
        dim, self.heads = c["dim"], c["heads"]
        self.wte, self.wpe = nn.Embedding(c["vocabulary"], dim), nn.Embedding(c["context"], dim)
        self.h = nn.ModuleList(Block(dim, self.heads) for _ in range(c["layers"]))
        self.ln_f = nn.LayerNorm(dim)
        self.fill(c["scale"])

    def fill(self, scale):
        """Parameter i of the model's order has salt i; a linear layer's weight is made as [inputs][outputs]. Gains 1, biases 0."""
        number = 0
        with torch.no_grad():
            for part in [self.wte, self.wpe, *(part for block in self.h for part in block.parts()), self.ln_f]:
                if not isinstance(part, nn.LayerNorm):
                    rows, cols = part.weight.shape[::-1] if isinstance(part, nn.Linear) else part.weight.shape
                    values = torch.from_numpy(mixed(rows * cols, number, scale)).view(rows, cols)
                    part.weight.copy_(values.t() if isinstance(part, nn.Linear) else values)
                    if isinstance(part, nn.Linear):
                        part.bias.zero_()
                number += 1 if isinstance(part, nn.Embedding) else 2

    def mask(self, tokens):
        return torch.full((tokens, tokens), -math.inf).triu(1)

    def forward(self, ids):
        mask = self.mask(ids.shape[1])
        x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
        for block in self.h:
            x = block(x, mask)
        return F.linear(self.ln_f(x), self.wte.weight)


class Training:
    """Every step sees the whole batch."""

    def __init__(self, c):
        self.net = Gpt(c)
        samples, tokens, vocabulary = c["batch"], c["context"], c["vocabulary"]
        stream = ids_of(samples * tokens + 1, c["dataSalt"], vocabulary)
        self.ids, self.labels = stream[:-1].view(samples, tokens), stream[1:]
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=c["learningRate"], weight_decay=0.01)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.net(self.ids)
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), self.labels)
        loss.backward()
        self.optimizer.step()
        return float(loss)


class Generation:
    """Greedy: prompts are read at once, then one token after the other."""

    def __init__(self, c):
        self.net = Gpt(c).eval()
        self.prompts = ids_of(c["prompts"] * c["promptTokens"], c["dataSalt"], c["vocabulary"]).view(c["prompts"], c["promptTokens"])

    @torch.inference_mode()
    def run(self, count):
        """Tokens of every prompt, the distance of the two best logits behind each, seconds until the prompts were read and until the end."""
        net, (samples, read) = self.net, self.prompts.shape
        size = net.shape["dim"] // net.heads
        start = time.perf_counter()
        cache = [(torch.empty(samples * net.heads, read + count, size), torch.empty(samples * net.heads, read + count, size)) for _ in net.h]
        ids, at, mask, tokens, gaps, first = self.prompts, 0, net.mask(read), [], [], 0.0
        for _ in range(count):
            x = net.wte(ids) + net.wpe.weight[at : at + ids.shape[1]]
            for block, (keys, values) in zip(net.h, cache):
                x = block.cached(x, keys, values, at, mask)
            logits = F.linear(net.ln_f(x[:, -1]), net.wte.weight)
            at, mask = at + ids.shape[1], None
            best = logits.topk(2, dim=-1)
            ids = best.indices[:, :1]
            tokens.append(ids[:, 0])
            gaps.append(best.values[:, 0] - best.values[:, 1])
            first = first or time.perf_counter() - start
        seconds = time.perf_counter() - start
        return {"tokens": torch.stack(tokens, 1).tolist(), "gaps": torch.stack(gaps, 1).tolist(), "firstSeconds": first, "seconds": seconds}
