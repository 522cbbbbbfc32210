#!/usr/bin/env python3
"""Writes the tiny model folders that the ABI programs and the binding's tests use: capi/abi/fixture.py FOLDER

    model/       a quantised Qwen2 (AutoAWQ "gemm", group size 128) of one block, hidden size 256. Its numbers come from an integer
                 hash and are chosen so that o_proj's products and sums need no rounding in float32; q, k and v have a bias.
    float/       a float Qwen2 of two blocks, hidden size 64, intermediate 96 (which 32 divides and 64 does not), bfloat16.
    empty/       nothing.
    truncated/   model/ with a weight file whose header is longer than the file.
    text.jsonl   lines of input_ids for both (vocabulary 128; no tokenizer needed).

Plain Python, no package. The same bytes on every run.
"""

import json
import struct
import sys
from array import array
from pathlib import Path
from typing import Callable, Dict, List, Tuple

HIDDEN, GROUP, VOCAB = 256, 128, 128
ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # nibble i of a word holds column 8c + ORDER[i]
Tensor = Tuple[str, List[int], bytes]


def H(a: int, b: int) -> int:
    h = (a * 0x9E3779B1 + b * 0x85EBCA77 + 0x165667B1) & 0xFFFFFFFF
    h ^= h >> 15
    h = h * 0x2C1B3C6D & 0xFFFFFFFF
    h ^= h >> 12
    h = h * 0x297A2D39 & 0xFFFFFFFF
    return h ^ h >> 15


def code(o: int, k: int) -> int:
    return H(o, k) & 15


def zero(o: int, g: int) -> int:
    return H(o, 100000 + g) & 15


def scale(o: int, g: int) -> float:
    h = H(o, 200000 + g)
    return (8 + (h & 7)) * 2.0 ** -(10 + (h >> 8 & 1))


def sample_x(k: int) -> float:
    return ((H(k, 300000) & 31) - 16) / 16


def weight(o: int, k: int, group: int = GROUP) -> float:
    return (code(o, k) - zero(o, k // group)) * scale(o, k // group)


def half(values: List[float]) -> bytes:
    return struct.pack(f"<{len(values)}e", *values)


def bfloat(values: List[float]) -> bytes:
    return b"".join(struct.pack("<f", v)[2:] for v in values)  # the values used here need no rounding


def words(rows: int, columns: int, nibble: Callable[[int, int], int]) -> bytes:
    out = array("I")
    for r in range(rows):
        for c in range(0, columns, 8):
            word = 0
            for i, o in enumerate(ORDER):
                word |= nibble(r, c + o) << 4 * i
            out.append(word)
    if sys.byteorder == "big":
        out.byteswap()
    return out.tobytes()


def gemm(n: int, k: int, group: int, salt: int = 0) -> Dict[str, Tensor]:
    """The three arrays of a quantised linear; salt 0 is the exact one."""
    groups = k // group
    return {
        "qweight": ("I32", [k, n // 8], words(k, n, lambda r, c: code(c + salt, r))),
        "qzeros": ("I32", [groups, n // 8], words(groups, n, lambda r, c: zero(c + salt, r))),
        "scales": ("F16", [groups, n], half([scale(o + salt, g) for g in range(groups) for o in range(n)])),
    }


def safetensors(tensors: Dict[str, Tensor]) -> bytes:
    entries: Dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in sorted(tensors):
        dtype, shape, data = tensors[name]
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensors[name][2] for name in sorted(tensors))


def config(hidden: int, intermediate: int, layers: int, heads: int, **more: object) -> str:
    out = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", "hidden_size": hidden,
        "intermediate_size": intermediate, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads,
        "vocab_size": VOCAB, "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "torch_dtype": "float16", "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    out.update(more)
    return json.dumps(out, indent=2) + "\n"


def small(a: int, b: int) -> float:
    """A float between -0.5 and 0.5 that bfloat16 and float16 hold exactly."""
    return ((H(a, b) & 127) - 64) / 128


def matrix(n: int, k: int, salt: int, pack: Callable[[List[float]], bytes], dtype: str, gain: float) -> Tensor:
    return dtype, [n, k], pack([small(o + salt, j) * gain for o in range(n) for j in range(k)])


def quantised() -> Dict[str, Tensor]:
    p = "model.layers.0."
    out: Dict[str, Tensor] = {}
    places = ["self_attn.o_proj", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]
    places += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
    for i, name in enumerate(places):
        for part, tensor in gemm(HIDDEN, HIDDEN, GROUP, salt=1000 * i).items():
            out[f"{p}{name}.{part}"] = tensor
        if 1 <= i <= 3:
            out[f"{p}{name}.bias"] = ("F16", [HIDDEN], half([small(5000 + i, o) for o in range(HIDDEN)]))
    ones = ("F16", [HIDDEN], half([1.0] * HIDDEN))
    out[p + "input_layernorm.weight"] = out[p + "post_attention_layernorm.weight"] = out["model.norm.weight"] = ones
    out["model.embed_tokens.weight"] = matrix(VOCAB, HIDDEN, 7000, half, "F16", 1.0)
    out["lm_head.weight"] = matrix(VOCAB, HIDDEN, 8000, half, "F16", 0.25)
    return out


def plain() -> Dict[str, Tensor]:
    hidden, inner = 64, 96
    ones = ("BF16", [hidden], bfloat([1.0] * hidden))
    out: Dict[str, Tensor] = {"model.norm.weight": ones}
    out["model.embed_tokens.weight"] = matrix(VOCAB, hidden, 1, bfloat, "BF16", 1.0)
    out["lm_head.weight"] = matrix(VOCAB, hidden, 500, bfloat, "BF16", 0.5)
    shapes = [("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", hidden, hidden), ("self_attn.v_proj", hidden, hidden)]
    shapes += [("self_attn.o_proj", hidden, hidden), ("mlp.gate_proj", inner, hidden), ("mlp.up_proj", inner, hidden)]
    shapes += [("mlp.down_proj", hidden, inner)]
    for layer in range(2):
        p = f"model.layers.{layer}."
        out[p + "input_layernorm.weight"] = out[p + "post_attention_layernorm.weight"] = ones
        for i, (name, n, k) in enumerate(shapes):
            out[f"{p}{name}.weight"] = matrix(n, k, 10000 * (layer + 1) + 500 * i, bfloat, "BF16", 0.25)
            if i < 3:
                out[f"{p}{name}.bias"] = ("BF16", [n], bfloat([small(900 + i, o) for o in range(n)]))
    return out


def write(folder: Path) -> None:
    quantisation = {"quant_method": "awq", "zero_point": True, "group_size": GROUP, "bits": 4, "version": "gemm", "modules_to_not_convert": None}
    model = safetensors(quantised())
    settings = config(HIDDEN, HIDDEN, 1, 4, quantization_config=quantisation)
    for name, weights, text in (
        ("model", model, settings),
        ("float", safetensors(plain()), config(64, 96, 2, 2, torch_dtype="bfloat16")),
        ("truncated", struct.pack("<Q", 5000) + model[8:1000], settings),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "model.safetensors").write_bytes(weights)
        (folder / name / "config.json").write_text(text, encoding="utf-8")
    (folder / "empty").mkdir(exist_ok=True)
    lines = [json.dumps({"input_ids": [H(line, t) % VOCAB for t in range(64)]}) for line in range(8)]
    (folder / "text.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(Path(sys.argv[1]))
