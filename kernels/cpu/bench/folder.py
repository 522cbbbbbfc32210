"""Writes a quantised folder with the linears of Llama-2-7B, for `awq bench load`: folder.py FOLDER [--layers 32]

Random codes, groups of 128, a vocabulary of 256, two layers a file: 3.4 GB with all 32 layers. Plain Python, the same bytes on every run.
"""

import argparse
import json
import pathlib
import random
import struct

HIDDEN, INTERMEDIATE, GROUP, VOCAB, LAYERS_A_FILE = 4096, 11008, 128, 256, 2
SHAPES = {
    **{f"self_attn.{p}_proj": (HIDDEN, HIDDEN) for p in "qkvo"},
    "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
    "mlp.up_proj": (INTERMEDIATE, HIDDEN),
    "mlp.down_proj": (HIDDEN, INTERMEDIATE),
}


def tensors(layers):
    """(name, dtype, shape) in order, one list a file."""
    files = []
    for first in range(0, layers, LAYERS_A_FILE):
        rows = []
        if first == 0:
            rows.append(("model.embed_tokens.weight", "F16", [VOCAB, HIDDEN]))
        for layer in range(first, min(first + LAYERS_A_FILE, layers)):
            at = f"model.layers.{layer}."
            rows += [(f"{at}{norm}_layernorm.weight", "F16", [HIDDEN]) for norm in ("input", "post_attention")]
            for linear, (n, k) in SHAPES.items():
                rows.append((f"{at}{linear}.qweight", "I32", [k, n // 8]))
                rows.append((f"{at}{linear}.qzeros", "I32", [k // GROUP, n // 8]))
                rows.append((f"{at}{linear}.scales", "F16", [k // GROUP, n]))
        files.append(rows)
    files[-1] += [("model.norm.weight", "F16", [HIDDEN]), ("lm_head.weight", "F16", [VOCAB, HIDDEN])]
    return files


def size(dtype, shape):
    return (4 if dtype == "I32" else 2) * shape[0] * (shape[1] if len(shape) > 1 else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=32)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    source = random.Random(1)
    pool = source.randbytes(64 << 20)
    scales = struct.pack("<1024e", *(0.01 * (1 + source.random()) for _ in range(1024)))
    files = tensors(options.layers)
    where = {}
    for index, rows in enumerate(files):
        name = f"model-{index + 1:05d}-of-{len(files):05d}.safetensors"
        header, at = {}, 0
        for tensor, dtype, shape in rows:
            header[tensor] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at := at + size(dtype, shape)]}
            where[tensor] = name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(options.folder / name, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            for _, dtype, shape in rows:
                count = size(dtype, shape)
                begin = source.randrange(len(pool) - count)
                f.write(pool[begin : begin + count] if dtype == "I32" else scales * (count // len(scales)))
    quantization = {"quant_method": "awq", "version": "gemm", "bits": 4, "group_size": GROUP, "zero_point": True}
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": options.layers, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": VOCAB, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "max_position_embeddings": 4096, "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "float16",
        "quantization_config": quantization,
    }  # fmt: skip
    (options.folder / "config.json").write_text(json.dumps(config, indent=2))
    (options.folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


if __name__ == "__main__":
    main()
