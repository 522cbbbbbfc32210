#!/usr/bin/env python3
"""Tiny random models and what they compute, from the published definitions of the families, in plain NumPy and float64.

Run in this folder: python3 make_goldens.py    (needs numpy==2.2.6 and nothing else)
Each model is a folder that ends in its seed: model.safetensors, config.json and golden.json, which holds the tokens, the output
of every block, the logits and the mean loss per predicted token. A folder whose golden.json also holds "search" carries the AWQ
search of its block 0: losses of the 20 ratios, scales and clip limits. Arrays are {"dtype", "shape", "data" (base64, little
endian)}. Regenerate only when a definition changes, and say why in the commit.
"""
import base64
import json
import os
import struct

import numpy as np

assert np.__version__ == "2.2.6", np.__version__
f32, f64 = np.float32, np.float64


# ---- files ------------------------------------------------------------------------------------------------------------------
def encode(a, dtype):
    """Bytes of an array in a stored dtype, and the float64 values that these bytes stand for."""
    a = a.astype(f32)
    if dtype == "F32":
        return a.astype("<f4").tobytes(), a.astype(f64)
    if dtype == "F16":
        h = a.astype("<f2")
        return h.tobytes(), h.astype(f64)
    bits = a.view(np.uint32)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16  # to nearest, half to even
    return bits.astype("<u2").tobytes(), (bits << 16).astype(np.uint32).view(f32).astype(f64)


def save(path, tensors):
    """A safetensors file: length of the header, JSON header, data without gaps."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            f.write(data)


def array(a, dtype="<f4"):
    a = np.ascontiguousarray(np.asarray(a).astype(dtype))
    return {"dtype": dtype[1:], "shape": list(a.shape), "data": base64.b64encode(a.tobytes()).decode()}


# ---- the forward pass -------------------------------------------------------------------------------------------------------
def rms(x, w, eps):
    return w * x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)


def silu(x):
    return x / (1 + np.exp(-x))


def frequencies(config, d):
    """Inverse frequencies of the rotary pairs, and the factor on cosine and sine."""
    base = config.get("rope_theta", 10000.0)
    inv = base ** (-2.0 * np.arange(d // 2) / d)
    s = config.get("rope_scaling") or {}
    kind = s.get("rope_type", s.get("type", "default"))
    if kind == "linear":
        return inv / s["factor"], 1.0
    if kind == "llama3":
        length = 2 * np.pi / inv
        low, high, old = s["low_freq_factor"], s["high_freq_factor"], s["original_max_position_embeddings"]
        t = (old / length - low) / (high - low)
        blend = (1 - t) * inv / s["factor"] + t * inv
        return np.where(length < old / high, inv, np.where(length > old / low, inv / s["factor"], blend)), 1.0
    if kind == "yarn":
        old = s["original_max_position_embeddings"]

        def dim(turns):
            return d * np.log(old / (2 * np.pi * turns)) / (2 * np.log(base))

        lo = max(np.floor(dim(s.get("beta_fast", 32))), 0)
        hi = min(np.ceil(dim(s.get("beta_slow", 1))), d - 1)
        ramp = np.clip((np.arange(d // 2) - lo) / (hi - lo if hi != lo else 0.001), 0, 1)
        return ramp * inv / s["factor"] + (1 - ramp) * inv, 0.1 * np.log(s["factor"]) + 1
    assert kind == "default", kind
    return inv, 1.0


def rotate(x, config):
    """x [T, heads, d]; pairs are (i, i + d/2), positions 0..T-1."""
    d = x.shape[-1]
    inv, factor = frequencies(config, d)
    angle = np.arange(x.shape[0])[:, None] * inv
    cos, sin = factor * np.cos(angle)[:, None, :], factor * np.sin(angle)[:, None, :]
    a, b = x[..., : d // 2], x[..., d // 2 :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def window_of(config, layer):
    """Keys that a query of this layer sees, itself included; None: all before it."""
    w = config.get("sliding_window")
    if config["model_type"] == "mistral":
        return w
    if config["model_type"] in ("qwen2", "qwen3") and config.get("use_sliding_window", False):
        return w if layer >= config["max_window_layers"] else None
    return None


class Model:
    def __init__(self, config, tensors):
        self.c, self.t = config, tensors
        self.heads = config["num_attention_heads"]
        self.kv = config.get("num_key_value_heads", self.heads)
        self.d = config.get("head_dim", config["hidden_size"] // self.heads)

    def linear(self, x, name):
        y = x @ self.t[name + ".weight"].T
        return y + self.t[name + ".bias"] if name + ".bias" in self.t else y

    def attention(self, x, layer, seen=None):
        p, eps, steps = f"model.layers.{layer}.", self.c["rms_norm_eps"], len(x)
        n = rms(x, self.t[p + "input_layernorm.weight"], eps)
        q = self.linear(n, p + "self_attn.q_proj").reshape(steps, self.heads, self.d)
        k = self.linear(n, p + "self_attn.k_proj").reshape(steps, self.kv, self.d)
        v = self.linear(n, p + "self_attn.v_proj").reshape(steps, self.kv, self.d)
        if p + "self_attn.q_norm.weight" in self.t:
            q, k = rms(q, self.t[p + "self_attn.q_norm.weight"], eps), rms(k, self.t[p + "self_attn.k_norm.weight"], eps)
        q, k = rotate(q, self.c), rotate(k, self.c)
        share = self.heads // self.kv  # consecutive query heads share a key head
        k, v = np.repeat(k, share, 1), np.repeat(v, share, 1)
        i, j = np.arange(steps)[:, None], np.arange(steps)[None, :]
        hidden = j > i
        if window_of(self.c, layer) is not None:
            hidden |= j <= i - window_of(self.c, layer)
        out = np.empty_like(q)
        for h in range(self.heads):
            s = q[:, h] @ k[:, h].T / np.sqrt(self.d)
            s[hidden] = -np.inf
            e = np.exp(s - s.max(-1, keepdims=True))
            out[:, h] = e / e.sum(-1, keepdims=True) @ v[:, h]
        out = out.reshape(steps, -1)
        if seen is not None:
            seen["qkv"].append(n)
            seen["o"].append(out)
        return self.linear(out, p + "self_attn.o_proj")

    def mlp(self, x, layer, seen=None):
        p = f"model.layers.{layer}."
        n = rms(x, self.t[p + "post_attention_layernorm.weight"], self.c["rms_norm_eps"])
        h = silu(self.linear(n, p + "mlp.gate_proj")) * self.linear(n, p + "mlp.up_proj")
        if seen is not None:
            seen["gate_up"].append(n)
            seen["down"].append(h)
        return self.linear(h, p + "mlp.down_proj")

    def forward(self, tokens):
        """Outputs of all blocks, and logits, of one window."""
        x, blocks = self.t["model.embed_tokens.weight"][tokens], []
        for layer in range(self.c["num_hidden_layers"]):
            x = x + self.attention(x, layer)
            x = x + self.mlp(x, layer)
            blocks.append(x)
        head = "model.embed_tokens" if self.c["tie_word_embeddings"] else "lm_head"
        return np.array(blocks), rms(x, self.t["model.norm.weight"], self.c["rms_norm_eps"]) @ self.t[head + ".weight"].T


# ---- the AWQ search ---------------------------------------------------------------------------------------------------------
def rounded(w, group):
    """The group rule, zero included in the range, in float32 throughout as it is defined: values after 4-bit rounding."""
    assert w.dtype == f32
    g = w.reshape(w.shape[0], -1, group)
    lo, hi = np.minimum(g.min(-1, keepdims=True), f32(0)), np.maximum(g.max(-1, keepdims=True), f32(0))
    scale = np.maximum(hi - lo, f32(1e-5)) / f32(15)
    zero = np.clip(-np.rint(lo / scale), f32(0), f32(15))
    code = np.clip(np.rint(g / scale) + zero, f32(0), f32(15))
    return ((code - zero) * scale).reshape(w.shape)


def weight_mean(weights, group):
    w = np.abs(np.concatenate(weights)).reshape(-1, group)
    return (w / (w.max(-1, keepdims=True) + 1e-6)).reshape(-1, weights[0].shape[1]).mean(0)


def candidate(x_mean, w_mean, r):
    s = np.maximum(x_mean**r / (w_mean ** (1 - r) + 1e-4), 1e-4)
    return (s / np.sqrt(s.max() * s.min())).astype(f32)


def search(model, windows, group):
    """Losses, ratios and scales of every group of block 0, then the clip limits of the folded weights."""
    p = "model.layers.0."
    embed = model.t["model.embed_tokens.weight"]
    inputs, seen = [embed[w] for w in windows], {k: [] for k in ("qkv", "o", "gate_up", "down")}
    attended = [model.attention(x, 0, seen) for x in inputs]
    middle = [x + a for x, a in zip(inputs, attended)]
    fed = [model.mlp(x, 0, seen) for x in middle]
    seen = {k: np.concatenate(v) for k, v in seen.items()}
    original = {k: v for k, v in model.t.items()}
    groups = {  # name: (producer, consumers, inputs of the inspected module, its outputs, the module)
        "qkv": ("input_layernorm", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], inputs, attended,
                lambda x: model.attention(x, 0)),
        "o": ("self_attn.v_proj", ["self_attn.o_proj"], [seen["o"]], None, lambda x: model.linear(x, p + "self_attn.o_proj")),
        "gate_up": ("post_attention_layernorm", ["mlp.gate_proj", "mlp.up_proj"], middle, fed, lambda x: model.mlp(x, 0)),
        "down": ("mlp.up_proj", ["mlp.down_proj"], [seen["down"]], None, lambda x: model.linear(x, p + "mlp.down_proj")),
    }  # fmt: skip
    out = {"group_size": group, "groups": {}}
    scales = {}
    for name, (producer, layers, xs, ys, run) in groups.items():
        names = [p + n + ".weight" for n in layers]
        ys = ys or [run(x) for x in xs]
        x_mean, w_mean = np.abs(seen[name]).mean(0), weight_mean([original[n] for n in names], group)

        def loss(s):
            for n in names:
                model.t[n] = rounded(original[n].astype(f32) * s, group).astype(f64) / s
            total = sum(((run(x) - y) ** 2).sum() for x, y in zip(xs, ys))
            model.t.update({n: original[n] for n in names})
            return total / sum(y.size for y in ys)

        candidates = [candidate(x_mean, w_mean, i / 20) for i in range(20)]
        losses = [loss(s) for s in candidates]
        best = int(np.argmin(losses))
        scales[name] = candidates[best]
        out["groups"][name] = {"into": layers, "losses": losses, "rtn": loss(np.ones_like(candidates[0])), "ratio": best / 20,
                               "s": array(candidates[best])}  # fmt: skip
    # Fold in float32, in the order of the groups.
    folded = {k: v.astype(f32) for k, v in original.items()}
    for name, (producer, layers, *_) in groups.items():
        s, w = scales[name], p + producer + ".weight"
        if folded[w].ndim == 1:
            quotient = folded[w] / s
            scales[name] = s = folded[w] / quotient  # what the stored quotient stands for
            folded[w] = quotient
        else:
            folded[w] = folded[w] / s[:, None]
        for n in layers:
            folded[p + n + ".weight"] = folded[p + n + ".weight"] * s
    out["clip"] = {}
    for name, (_, layers, *_) in groups.items():
        for n in layers:
            if n not in ("self_attn.q_proj", "self_attn.k_proj"):
                limit, sure, gain = clip(folded[p + n + ".weight"], seen[name] / scales[name].astype(f64), group)
                out["clip"][n] = {"limit": array(limit), "sure": array(sure, "|u1"), "gain": gain}
    return out


def clip(w, x, group):
    """Limits [N, K/group] by the error of each group's own contribution to the output; sure: no other candidate is as good."""
    rows, k = w.shape
    g = w.reshape(rows, -1, group)
    top = np.abs(g).max(-1)
    xs = x.reshape(len(x), -1, group)
    limits, errors = [], []
    for step in range(10):
        limit = top * f32(1 - step / 20)
        q = rounded(np.clip(g, -limit[..., None], limit[..., None]).reshape(rows, k), group).reshape(g.shape)
        d = q.astype(f64) - g.astype(f64)
        errors.append((np.einsum("tgk,ngk->tng", xs, d) ** 2).mean(0))
        limits.append(limit)
    errors, limits = np.array(errors), np.array(limits)
    best = errors.argmin(0)[None]
    ordered = np.sort(errors, 0)
    gain = 1 - ordered[0].sum() / errors[0].sum()
    return np.take_along_axis(limits, best, 0)[0], ordered[1] > ordered[0] * (1 + 1e-4), gain


# ---- the models -------------------------------------------------------------------------------------------------------------
def shapes(c, qkv_bias=False, o_bias=False, mlp_bias=False, head_norms=False):
    h, i, heads = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"]
    d, kv = c.get("head_dim", h // heads), c.get("num_key_value_heads", heads)
    s = {"model.embed_tokens.weight": (c["vocab_size"], h), "model.norm.weight": (h,)}
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        for name, shape, bias in (
            ("self_attn.q_proj", (heads * d, h), qkv_bias), ("self_attn.k_proj", (kv * d, h), qkv_bias),
            ("self_attn.v_proj", (kv * d, h), qkv_bias), ("self_attn.o_proj", (h, heads * d), o_bias),
            ("mlp.gate_proj", (i, h), mlp_bias), ("mlp.up_proj", (i, h), mlp_bias), ("mlp.down_proj", (h, i), mlp_bias),
        ):  # fmt: skip
            s[p + name + ".weight"] = shape
            if bias:
                s[p + name + ".bias"] = shape[:1]
        s[p + "input_layernorm.weight"], s[p + "post_attention_layernorm.weight"] = (h,), (h,)
        if head_norms:
            s[p + "self_attn.q_norm.weight"], s[p + "self_attn.k_norm.weight"] = (d,), (d,)
    if not c["tie_word_embeddings"]:
        s["lm_head.weight"] = (c["vocab_size"], h)
    return s


def values(r, name, shape, outliers):
    """Random values at which every part matters: uneven attention, gates on both sides, norm weights far from 1."""
    v = r.standard_normal(shape)
    if "norm" in name:
        v = 1 + 0.3 * v
        if outliers:
            v[5::16] *= 9
        return v
    if name.endswith("bias"):
        return 0.3 * v
    if "embed" in name:
        return 0.5 * v
    gain = 2.0 if "q_proj" in name or "k_proj" in name else 1.0
    return gain * v / np.sqrt(shape[1])


def make(name, seed, arch, dtype, parts, steps=24, group=None, **options):
    config = {"architectures": [arch], "model_type": arch[: -len("ForCausalLM")].lower(), "hidden_act": "silu",
              "max_position_embeddings": 128, "tie_word_embeddings": False, "rope_theta": 10000.0, "rms_norm_eps": 1e-5,
              "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[dtype], **options}  # fmt: skip
    r = np.random.Generator(np.random.PCG64(seed))
    stored, exact = {}, {}
    for tensor, shape in sorted(shapes(config, **parts).items()):
        kind = "F32" if group and "norm" in tensor else dtype  # the searched model keeps its folded norms exact
        data, exact[tensor] = encode(values(r, tensor, shape, group), kind)
        stored[tensor] = (kind, shape, data)
    tokens = r.integers(0, config["vocab_size"], (2, steps))
    model = Model(config, exact)
    blocks, logits = zip(*(model.forward(t) for t in tokens))
    golden = {"tokens": tokens.tolist(), "blocks": array(np.array(blocks)), "logits": array(np.array(logits))}
    top = np.array(logits)[:, :-1]
    log_sum = np.log(np.exp(top - top.max(-1, keepdims=True)).sum(-1)) + top.max(-1)
    golden["nll"] = float((log_sum - np.take_along_axis(top, tokens[:, 1:, None], -1)[..., 0]).mean())
    if group:
        golden["search"] = search(model, tokens, group)
    folder = f"{name}_seed{seed}"
    os.makedirs(folder, exist_ok=True)
    save(os.path.join(folder, "model.safetensors"), stored)
    for file, content in (("config.json", config), ("golden.json", golden)):
        with open(os.path.join(folder, file), "w", encoding="ascii") as f:
            json.dump(content, f, separators=(",", ":"), allow_nan=False)
            f.write("\n")


BIASED = {"qkv_bias": True, "o_bias": True, "mlp_bias": True}
make("llama_llama3", 101, "LlamaForCausalLM", "BF16", {}, hidden_size=36, intermediate_size=50, num_hidden_layers=2,
     num_attention_heads=6, num_key_value_heads=3, vocab_size=53, rope_theta=500.0,
     rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 64})  # fmt: skip
make("llama_linear", 102, "LlamaForCausalLM", "F16", BIASED, hidden_size=40, intermediate_size=54, num_hidden_layers=2,
     num_attention_heads=5, vocab_size=47, tie_word_embeddings=True, rms_norm_eps=1e-2, attention_bias=True, mlp_bias=True,
     rope_scaling={"type": "linear", "factor": 4.0})  # fmt: skip
make("mistral_window", 103, "MistralForCausalLM", "BF16", {}, hidden_size=44, intermediate_size=58, num_hidden_layers=2,
     num_attention_heads=5, num_key_value_heads=1, head_dim=12, vocab_size=59, sliding_window=7)  # fmt: skip
make("qwen2_window", 104, "Qwen2ForCausalLM", "F16", {"qkv_bias": True}, hidden_size=36, intermediate_size=50, num_hidden_layers=3,
     num_attention_heads=6, num_key_value_heads=2, vocab_size=61, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_theta=1e6,
     use_sliding_window=True, sliding_window=5, max_window_layers=1)  # fmt: skip
make("qwen2_yarn", 105, "Qwen2ForCausalLM", "F32", {"qkv_bias": True}, hidden_size=32, intermediate_size=46, num_hidden_layers=1,
     num_attention_heads=2, num_key_value_heads=1, vocab_size=43, rms_norm_eps=1e-6, use_sliding_window=False, sliding_window=4,
     max_window_layers=0, rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512})  # fmt: skip
make("qwen3_norms", 106, "Qwen3ForCausalLM", "BF16", {"head_norms": True}, hidden_size=38, intermediate_size=50,
     num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=14, vocab_size=51, tie_word_embeddings=True,
     rms_norm_eps=1e-6, rope_theta=1e6)  # fmt: skip
make("llama_search", 107, "LlamaForCausalLM", "F16", {}, group=32, steps=32, hidden_size=64, intermediate_size=96,
     num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=4, vocab_size=41, tie_word_embeddings=True)  # fmt: skip
