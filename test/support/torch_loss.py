"""Opens a checkpoint with Python's standard library and torch alone, and runs its stack: python3 torch_loss.py GOLDEN_FOLDER FAMILY CHECKPOINT_FOLDER

Prints as JSON the loss of the golden batch in float64, and the types of the tensors. The config must be the one that the stack of make_transformers.py has.
"""
import json
import os
import struct
import sys

import torch

golden, family, checkpoint = sys.argv[1:]
sys.dont_write_bytecode = True
sys.path.insert(0, golden)
import make_transformers as stacks  # noqa: E402

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    weights = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        size = 4 if entry["dtype"] == "F32" else 2
        values = torch.frombuffer(data, dtype=TYPES[entry["dtype"]], count=(end - begin) // size, offset=8 + length + begin)
        weights[name] = values.reshape(entry["shape"]).double()
    return weights, sorted({entry["dtype"] for entry in header.values()})


net, config, shapes = (stacks.gpt, stacks.GPT_CONFIG, stacks.gpt_shapes()) if family == "gpt2" else (stacks.llama, stacks.LLAMA_CONFIG, stacks.llama_shapes())
with open(os.path.join(checkpoint, "config.json")) as file:
    written = json.load(file)
for field, value in config.items():
    assert field in ("bos_token_id", "eos_token_id", "torch_dtype") or written[field] == value, (field, value, written[field])
weights, types = read(os.path.join(checkpoint, "model.safetensors"))
assert {name: tuple(value.shape) for name, value in weights.items()} == dict(shapes)
with open(os.path.join(golden, family, "golden.json")) as file:
    batch = json.load(file)
logits = net(weights, torch.tensor(batch["ids"]), lambda _, value: value)
print(json.dumps({"loss": stacks.loss_of(logits, torch.tensor(batch["labels"])).item(), "types": types, "dtype": written["torch_dtype"]}))
