"""Tiny models as Hugging Face folders, in plain Python, and a way to run the program that $AWQ names."""

import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

AWQ = os.path.abspath(os.environ["AWQ"]) if "AWQ" in os.environ else None
HIDDEN, INTER, LAYERS, HEADS, KV, DIM, VOCAB = 64, 96, 2, 4, 2, 16, 97
LINEARS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
PROGRESS = re.compile(r"^ *\d+ %  \d+:\d\d  ")


# ---- models ---------------------------------------------------------------------------------------------------------------
def noise(r, count):
    """Numbers that bfloat16, float16 and float32 hold alike: 1/32 <= |v| < 1/8, both signs. As bfloat16 bytes."""
    mask, least = int.from_bytes(b"\xff\x80" * count, "little"), int.from_bytes(b"\x00\x3d" * count, "little")
    return ((int.from_bytes(r.getrandbits(16 * count).to_bytes(2 * count, "little"), "little") & mask) | least).to_bytes(2 * count, "little")


def floats(bf16):
    """bfloat16 bytes as a list of floats."""
    wide = bytearray(2 * len(bf16))
    wide[2::4], wide[3::4] = bf16[0::2], bf16[1::2]
    return list(struct.unpack(f"<{len(bf16) // 2}f", wide))


def stored(values, dtype):
    """Floats in a stored dtype; only values that it holds exactly."""
    if dtype == "BF16":
        wide = struct.pack(f"<{len(values)}f", *values)
        narrow = bytearray(len(wide) // 2)
        narrow[0::2], narrow[1::2] = wide[2::4], wide[3::4]
        return bytes(narrow)
    return struct.pack(f"<{len(values)}{'e' if dtype == 'F16' else 'f'}", *values)


def shapes(hidden=HIDDEN, inter=INTER, layers=LAYERS, head_dim=DIM):
    out = {"model.embed_tokens.weight": [VOCAB, hidden], "model.norm.weight": [hidden]}
    for i in range(layers):
        p = f"model.layers.{i}."
        size = {"q": HEADS * head_dim, "k": KV * head_dim, "v": KV * head_dim}
        for x, n in size.items():
            out[f"{p}self_attn.{x}_proj.weight"] = [n, hidden]
        out[p + "self_attn.o_proj.weight"] = [hidden, HEADS * head_dim]
        out[p + "mlp.gate_proj.weight"], out[p + "mlp.up_proj.weight"] = [inter, hidden], [inter, hidden]
        out[p + "mlp.down_proj.weight"] = [hidden, inter]
        out[p + "input_layernorm.weight"], out[p + "post_attention_layernorm.weight"] = [hidden], [hidden]
    return out


def tensors(dtype="BF16", seed=1, **sizes):
    """{name: (dtype, shape, bytes)} of a random llama; the embedding is the output matrix, too."""
    r, out = random.Random(seed), {}
    for name, shape in shapes(**sizes).items():
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        data = noise(r, count)
        if "norm" in name:  # around 1, with channels that stand out
            data = stored([(2.0 if i % 16 == 5 else 0.25) for i in range(count)], "BF16")
        out[name] = (dtype, shape, data if dtype == "BF16" else stored(floats(data), dtype))
    return out


def safetensors(content, header=None):
    """The bytes of a file; header may replace the one that belongs to the content."""
    if header is None:
        at, header = 0, {}
        for name, (dtype, shape, data) in content.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
            at += len(data)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in content.values())


def config(**changes):
    out = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INTER,
           "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": DIM, "vocab_size": VOCAB,
           "rms_norm_eps": 1e-5, "max_position_embeddings": 256, "tie_word_embeddings": True, "hidden_act": "silu",
           "rope_theta": 10000.0}  # fmt: skip
    out.update(changes)
    return {k: v for k, v in out.items() if v is not None}


def model(path, content=None, files=None, **changes):
    """Makes a folder of one safetensors file; files adds or replaces others."""
    path = pathlib.Path(path)
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config(**changes)))
    if content is not None:
        (path / "model.safetensors").write_bytes(safetensors(content))
    for name, data in (files or {}).items():
        (path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def sharded(path, content, parts=3):
    """The same tensors in several files with an index."""
    path = model(path)
    names, where = list(content), {}
    for i in range(parts):
        file = f"model-{i + 1:05d}-of-{parts:05d}.safetensors"
        mine = names[i::parts]
        (path / file).write_bytes(safetensors({n: content[n] for n in mine}))
        where.update({n: file for n in mine})
    size = sum(len(data) for _, _, data in content.values())
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": where}))
    return path


def tokenizer():
    """A tokenizer.json of the words w0 ... w95; anything else is [UNK]."""
    vocab = {f"w{i}": i for i in range(VOCAB - 1)}
    vocab["[UNK]"] = VOCAB - 1
    return json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                       "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
                       "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}})  # fmt: skip


def ids(lines=4, length=32, seed=5):
    r = random.Random(seed)
    return "".join(json.dumps({"input_ids": [r.randrange(VOCAB) for _ in range(length)]}) + "\n" for _ in range(lines))


def read(path):
    """{name: (dtype, shape, bytes)} of a safetensors file."""
    raw = pathlib.Path(path).read_bytes()
    end = 8 + struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:end])
    header.pop("__metadata__", None)
    return {n: (t["dtype"], t["shape"], raw[end + t["data_offsets"][0] : end + t["data_offsets"][1]]) for n, t in header.items()}


# ---- the program ----------------------------------------------------------------------------------------------------------
@unittest.skipUnless(AWQ, "AWQ does not name the program to test")
class ProgramTest(unittest.TestCase):
    """A test with its own folder, self.at, in which the program runs."""

    SMALL = ("--group-size", "32", "--samples", "3", "--seq-len", "16")

    def setUp(self):
        self.at = pathlib.Path(tempfile.mkdtemp(prefix="awq-test-"))
        self.addCleanup(shutil.rmtree, self.at, ignore_errors=True)
        (self.at / "ids.jsonl").write_text(ids())

    def awq(self, *words, stdin=None, env=None, **options):
        """Runs to the end: (exit code, standard output, standard error)."""
        done = subprocess.run([AWQ, *map(str, words)], cwd=self.at, env={**os.environ, **(env or {})}, timeout=120, input=stdin or b"",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # fmt: skip
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def tree(self):
        """Every path below self.at, with the size where it is a file."""
        return {str(p.relative_to(self.at)): -1 if p.is_dir() else p.lstat().st_size for p in self.at.rglob("*")}

    def fails(self, *words, names=(), code=1, working=False, **options):
        """The program refuses: exit code, one line on standard error with all of names, nothing written.

        working: the fault shows only during the work, so progress may stand before the line.
        """
        before = self.tree()
        got, out, err = self.awq(*words, **options)
        lines = err.splitlines()
        if working:
            lines = [line for line in lines if not PROGRESS.match(line)]
        self.assertEqual((got, len(lines), out), (code, 1, ""), f"awq {' '.join(map(str, words))}: {err}")
        self.assertTrue(lines[0].startswith("awq: ") and err.endswith("\n"), err)
        for name in names:
            self.assertIn(str(name), lines[0])
        self.assertEqual(self.tree(), before)
        return lines[0]

    def works(self, *words, **options):
        """The program succeeds; its standard output comes back."""
        code, out, err = self.awq(*words, **options)
        self.assertEqual(code, 0, f"awq {' '.join(map(str, words))}: {err}")
        for line in err.splitlines():
            self.assertRegex(line, PROGRESS)
        return out

    def document(self, *words, **options):
        """Runs with --json: standard output is one document and nothing else."""
        out = self.works(*words, "--json", **options)
        self.assertEqual(out.count("\n"), 1, out)
        return json.loads(out)
