#!/usr/bin/env python3
"""Golden vectors of every op, from the definitions in kernels/abi/awq_backend.h, written again in plain NumPy.

Run in this folder: python3 make_goldens.py    (needs numpy==2.2.6 and nothing else)
Each file holds a list of cases: {"name", "params", "arrays": {name: {"dtype", "shape", "data" (base64, little endian)}}}.
Names carry the seed. Regenerate only when a definition changes, and say why in the commit.
"""
import base64
import json
import zlib

import numpy as np

assert np.__version__ == "2.2.6", np.__version__
f32 = np.float32


def array(a):
    a = np.ascontiguousarray(a)
    kind = {"float32": "f4", "float64": "f8", "uint8": "u1", "uint16": "u2", "int32": "i4"}[a.dtype.name]
    return {"dtype": kind, "shape": list(a.shape), "data": base64.b64encode(a.tobytes()).decode()}


def case(name, params, **arrays):
    return {"name": name, "params": params, "arrays": {k: array(v) for k, v in arrays.items() if v is not None}}


def write(op, cases):
    with open(op + ".json", "w", encoding="ascii") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


def crc(a):
    return "%08x" % zlib.crc32(np.ascontiguousarray(a).tobytes())


# ---- the group rule ---------------------------------------------------------------------------------------------------------
def rule(v, symmetric, half):
    """v: [..., group] float32. Returns scale, zero, codes (float32), scale and zero with a trailing axis of 1."""
    assert v.dtype == f32
    lo = np.minimum(v.min(-1, keepdims=True), f32(0))
    hi = np.maximum(v.max(-1, keepdims=True), f32(0))
    if symmetric:
        scale = np.maximum(np.maximum(-lo, hi), f32(1e-5)) / f32(7)
    else:
        scale = np.maximum(hi - lo, f32(1e-5)) / f32(15)
    if half:
        with np.errstate(over="ignore"):
            scale = np.minimum(scale.astype(np.float16), np.float16(65504)).astype(f32)
    if symmetric:
        zero = np.full_like(scale, 8)
        codes = np.clip(np.rint(v / scale), f32(-8), f32(7)) + f32(8)
    else:
        zero = np.clip(-np.rint(lo / scale), f32(0), f32(15))
        codes = np.clip(np.rint(v / scale) + zero, f32(0), f32(15))
    assert scale.dtype == zero.dtype == codes.dtype == f32
    return scale, zero, codes


def grouped(w, group):
    return w.reshape(w.shape[0], w.shape[1] // group, group)


def weights(rng, n, k, group):
    """Gaussian rows, with the group of row 0..5 that begins at 0 replaced by degenerate ones."""
    w = rng.standard_normal((n, k)).astype(f32) * f32(0.05)
    odd = [np.zeros(group), np.full(group, 0.25), np.full(group, -0.25), np.linspace(0.5, 2.375, group), np.linspace(-1e-7, 1e-7, group),
           np.linspace(-1e-3, 3e5, group)]
    for i, o in enumerate(odd):
        w[i, :group] = o.astype(f32)
    return w


def fakequant():
    cases = []
    for seed, (k, group, symmetric, difference, scaled, limited) in enumerate([
            (64, 16, 0, 0, 0, 0), (64, 16, 1, 0, 0, 0), (48, 12, 0, 1, 1, 0), (66, 22, 1, 1, 1, 1), (64, 64, 0, 0, 1, 1), (32, 8, 0, 1, 0, 1),
            (36, 9, 0, 0, 1, 0), (34, 17, 1, 0, 0, 1), (256, 128, 0, 0, 1, 0)], 100):
        rng = np.random.default_rng(seed)
        n = 9
        w = weights(rng, n, k, group)
        s = np.exp(rng.standard_normal(k)).astype(f32) if scaled else None
        v = w * s if scaled else w
        g = grouped(v, group)
        limit = None
        if limited:
            limit = (np.abs(g).max(-1) * rng.uniform(0.5, 1, g.shape[:2])).astype(f32)
            g = np.clip(g, -limit[..., None], limit[..., None])
        scale, zero, codes = rule(g, symmetric, False)
        out = ((codes - zero) * scale).reshape(n, k)
        if scaled:
            out = out / s
        if difference:
            out = out - w
        assert out.dtype == f32
        cases.append(case(f"seed{seed}_k{k}g{group}", {"group": group, "symmetric": symmetric, "difference": difference},
                          w=w, s=s, limit=limit, out=out))
    write("fakequant", cases)


def quantize():
    cases = []

    def add(name, w, group, symmetric, limit=None):
        n, k = w.shape
        g = grouped(w, group)
        if limit is not None:
            g = np.clip(g, -limit[..., None], limit[..., None])
        scale, zero, codes = rule(g, symmetric, True)
        c = codes.reshape(n, k).astype(np.uint8)
        cases.append(case(name, {"group": group, "symmetric": symmetric}, w=w, limit=limit, codes=c[:, 0::2] | c[:, 1::2] << 4,
                          scales=scale[..., 0].astype(np.float16).view(np.uint16), zeros=zero[..., 0].astype(np.uint8)))

    hand = {
        "both_signs": [-0.875, -0.5625, -0.25, 0, 0.3125, 0.4375, 0.625, 1.0],
        "negative_top": [-0.875, -0.5, -0.1875, 0, 0.3125, 0.4375, 0.625, 0.75],
        "positive": [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.375],
        "negative": [-0.5, -0.75, -1, -1.25, -1.5, -1.75, -2, -2.375],
        "zeros": [0.0] * 8, "quarter": [0.25] * 8, "minus_quarter": [-0.25] * 8, "beyond_half": [-1e6, 2e6, 3e6, 0, 1, -1, 65504, 5e5],
    }
    for name, v in hand.items():
        for symmetric in (0, 1):
            add(f"{name}_{'sym' if symmetric else 'asym'}", np.array([v], f32), 8, symmetric)
    for seed, (k, group, symmetric, limited) in enumerate(
            [(64, 16, 0, 0), (64, 16, 1, 0), (66, 22, 0, 1), (36, 9, 1, 1), (64, 64, 0, 0), (256, 128, 0, 1)], 200):
        rng = np.random.default_rng(seed)
        w = weights(rng, 9, k, group)
        limit = None
        if limited:
            g = grouped(w, group)
            limit = (np.abs(g).max(-1) * rng.uniform(0.5, 1, g.shape[:2])).astype(f32)
        add(f"seed{seed}_k{k}g{group}", w, group, symmetric, limit)
    write("quantize", cases)


def clip():
    cases = []
    for seed, (n, k, group, symmetric) in enumerate([(8, 64, 16, 0), (8, 64, 16, 1), (7, 66, 22, 0), (6, 32, 32, 1)], 300):
        rng = np.random.default_rng(seed)
        w = weights(rng, n, k, group)
        w[5, :group] *= f32(1e-5)
        w[:, ::7] *= f32(2.5)
        x = rng.standard_normal((3 * group, k)) * np.exp(rng.standard_normal(k))
        gram = np.stack([x[:, j:j + group].T @ x[:, j:j + group] / len(x) for j in range(0, k, group)]).astype(f32)
        g = grouped(w, group)
        top = np.abs(g).max(-1)
        errors, limits = [], []
        for i in range(10):
            limit = top * f32(1 - i / 20)
            scale, zero, codes = rule(np.clip(g, -limit[..., None], limit[..., None]), symmetric, False)
            d = ((codes - zero) * scale - g).astype(np.float64)
            errors.append(np.einsum("ngi,gij,ngj->ng", d, gram.astype(np.float64), d))
            limits.append(limit)
        errors, limits = np.stack(errors), np.stack(limits)
        at = errors.argmin(0)  # the first of equals
        pick = lambda a: np.take_along_axis(a, at[None], 0)[0]
        cases.append(case(f"seed{seed}_k{k}g{group}", {"group": group, "symmetric": symmetric}, w=w, gram=gram,
                          limit=pick(limits), best=pick(errors), plain=errors[0]))
    write("clip", cases)


# ---- float ops --------------------------------------------------------------------------------------------------------------
def gemm():
    cases = []
    for seed, (m, n, k, trans, acc, alpha) in enumerate([(1, 1, 1, 0, 0, 1), (5, 7, 3, 1, 0, 1), (33, 6, 17, 0, 1, -0.5), (34, 13, 64, 1, 1, 2)], 400):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal((m, k)).astype(f32)
        b = rng.standard_normal((n, k) if trans else (k, n)).astype(f32)
        c = rng.standard_normal((m, n)).astype(f32)
        a8, b8 = a.astype(np.float64), b.astype(np.float64)
        out = alpha * (a8 @ (b8.T if trans else b8)) + (c if acc else 0)
        cases.append(case(f"seed{seed}_m{m}n{n}k{k}", {"trans": trans, "accumulate": acc, "alpha": alpha}, a=a, b=b, c=c, out=out))
    write("gemm", cases)


def block():
    cases = []
    for seed, (m, k, eps) in enumerate([(1, 8, 1e-5), (4, 65, 1e-6), (3, 576, 1e-5)], 500):
        rng = np.random.default_rng(seed)
        x, w = rng.standard_normal((m, k)).astype(f32) * f32(3), rng.standard_normal(k).astype(f32)
        x8 = x.astype(np.float64)
        out = x8 * w / np.sqrt((x8 * x8).mean(-1, keepdims=True) + np.float64(f32(eps)))
        cases.append(case(f"seed{seed}_k{k}", {"eps": eps}, x=x, weight=w, out=out))
    write("rmsnorm", cases)

    cases = []
    for seed, (m, heads, dim, rot, inter) in enumerate([(5, 3, 8, 8, 0), (5, 3, 8, 8, 1), (4, 2, 10, 6, 0), (4, 2, 10, 6, 1), (2, 2, 4, 0, 0)], 600):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((m, heads * dim)).astype(f32)
        angle = rng.uniform(0, 50, (m, rot // 2))
        c, s = np.cos(angle).astype(f32), np.sin(angle).astype(f32)
        out = x.astype(np.float64).reshape(m, heads, dim).copy()
        turn = out[..., :rot].copy()
        a, b = (turn[..., 0::2], turn[..., 1::2]) if inter else (turn[..., :rot // 2], turn[..., rot // 2:])
        z = (a + 1j * b) * (c + 1j * s.astype(np.float64))[:, None, :]
        if inter:
            out[..., 0:rot:2], out[..., 1:rot:2] = z.real, z.imag
        else:
            out[..., :rot // 2], out[..., rot // 2:rot] = z.real, z.imag
        cases.append(case(f"seed{seed}_rot{rot}of{dim}_{'inter' if inter else 'halves'}",
                          {"heads": heads, "dim": dim, "rot": rot, "interleaved": inter}, x=x, cos=c, sin=s, out=out.reshape(m, -1)))
    write("rope", cases)

    cases = []
    for seed, (m, n, past, window, scale) in enumerate([(6, 6, 0, 0, 1), (4, 9, 5, 0, 0.125), (6, 6, 0, 3, 0.5), (3, 12, 4, 2, 3), (5, 3, 0, 0, 1),
                                                        (4, 3, 6, 2, 1), (2, 8, 0, 1, 1)], 700):
        rng = np.random.default_rng(seed)
        x = (rng.standard_normal((m, n)) * 20).astype(f32)
        out = np.zeros((m, n))
        for i in range(m):
            seen = [j for j in range(n) if j <= past + i and (window == 0 or j > past + i - window)]
            if seen:
                e = np.exp(scale * (x[i, seen].astype(np.float64) - x[i, seen].max()))
                out[i, seen] = e / e.sum()
        cases.append(case(f"seed{seed}_past{past}window{window}", {"past": past, "window": window, "scale": scale}, x=x, out=out))
    write("softmax", cases)

    cases = []
    for seed, (m, n) in enumerate([(1, 1), (3, 33)], 800):
        rng = np.random.default_rng(seed)
        gate, up = (rng.standard_normal((m, n)) * 10).astype(f32), rng.standard_normal((m, n)).astype(f32)
        gate[-1, -1] = -100
        g = gate.astype(np.float64)
        cases.append(case(f"seed{seed}_n{n}", {}, gate=gate, up=up, out=g / (1 + np.exp(-g)) * up))
    write("glu", cases)


def stats():
    cases = []
    for seed, (m, k) in enumerate([(1, 1), (7, 13)], 900):
        rng = np.random.default_rng(seed)
        a, b = rng.standard_normal((m, k)).astype(f32), rng.standard_normal((m, k)).astype(f32)
        start = rng.uniform(0, 9, k)
        a8, b8 = a.astype(np.float64), b.astype(np.float64)
        cases.append(case(f"seed{seed}_m{m}k{k}", {}, a=a, b=b, start=start, abssum=start + np.abs(a8).sum(0),
                          sqdiff=np.array([((a8 - b8) ** 2).sum(), (a8 ** 2).sum()])))
    write("stats", cases)

    cases = []
    for seed, (m, v, spread) in enumerate([(4, 5, 1), (6, 1000, 8), (3, 50, 200)], 1000):
        rng = np.random.default_rng(seed)
        p = (rng.standard_normal((m, v)) * spread).astype(f32)
        q = (p + rng.standard_normal((m, v)) * spread / 4).astype(f32)
        q[0, 1] = q[0, 3] = q[0].max() + 1  # a tie: the lowest index wins
        p[0, 1] = p[0].max() + 1
        targets = rng.integers(0, v, m).astype(np.int32)
        targets[1] = -1
        lp, lq = (a.astype(np.float64) - a.max(-1, keepdims=True) for a in (p, q))
        lp, lq = (a - np.log(np.exp(a).sum(-1, keepdims=True)) for a in (lp, lq))
        nll = np.where(targets < 0, 0, -lq[np.arange(m), targets])
        kl = (np.exp(lp) * (lp - lq)).sum(-1)
        cases.append(case(f"seed{seed}_v{v}", {}, p=p, q=q, targets=targets, nll=nll, kl=kl,
                          agree=(p.argmax(-1) == q.argmax(-1)).astype(np.uint8)))
    write("logits", cases)


def linear():
    cases = []
    for seed, (m, n, k, group, bias, int8) in enumerate([(1, 3, 8, 8, 0, 0), (3, 5, 64, 32, 1, 0), (34, 4, 66, 22, 0, 0), (3, 5, 64, 32, 1, 1), (2, 4, 36, 9, 0, 1)], 1100):
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 16, (n, k)).astype(np.uint8)
        zeros = rng.integers(0, 16, (n, k // group)).astype(np.uint8)
        scales = rng.uniform(0.001, 0.02, (n, k // group)).astype(np.float16)
        b = rng.standard_normal(n).astype(f32) if bias else None
        x = rng.standard_normal((m, k)).astype(f32)
        w = ((grouped(codes, group).astype(np.float64) - zeros[..., None]) * scales[..., None].astype(np.float64)).reshape(n, k)
        x8 = x.astype(np.float64)
        if int8:
            g = grouped(x, group)
            step = np.abs(g).max(-1, keepdims=True) / f32(127)
            x8 = (np.clip(np.rint(g / step), -127, 127) * step.astype(np.float64)).reshape(m, k)
        out = x8 @ w.T + (b if bias else 0)
        cases.append(case(f"seed{seed}_m{m}n{n}k{k}g{group}{'_int8' if int8 else ''}", {"group": group, "int8": int8},
                          codes=codes[:, 0::2] | codes[:, 1::2] << 4, scales=scales.view(np.uint16), zeros=zeros, bias=b, x=x, out=out))
    write("linear", cases)


# ---- the deterministic fixture, shared by every layout: only its checksums are stored ------------------------------------------
def hash2(a, b):
    with np.errstate(over="ignore"):
        h = a.astype(np.uint32) * np.uint32(0x9E3779B1) + b.astype(np.uint32) * np.uint32(0x85EBCA77) + np.uint32(0x165667B1)
        h ^= h >> np.uint32(15)
        h *= np.uint32(0x2C1B3C6D)
        h ^= h >> np.uint32(12)
        h *= np.uint32(0x297A2D39)
        return h ^ h >> np.uint32(15)


def fixture():
    out = {}
    n = k = 256
    o, kk = np.arange(n)[:, None], np.arange(k)[None]
    q = (hash2(o, kk) & np.uint32(15)).astype(np.uint8)
    x = ((hash2(np.arange(k), np.full(k, 300000)) & np.uint32(31)).astype(np.float64) - 16) / 16
    out["q"] = crc(q)
    for group in (128, 64, 32):
        g = np.arange(k // group)[None]
        z = (hash2(o, 100000 + g) & np.uint32(15)).astype(np.uint8)
        h = hash2(o, 200000 + g)
        s = (8 + (h & np.uint32(7)).astype(np.float64)) * 2.0 ** -(10 + (h >> np.uint32(8) & np.uint32(1)).astype(np.float64))
        w = (q - np.repeat(z, group, 1).astype(np.float64)) * np.repeat(s, group, 1)
        y = w @ x
        assert (w.astype(np.float16) == w).all() and (y.astype(f32) == y).all()
        out[str(group)] = {"z": crc(z), "s": crc(s.astype(np.float16)), "w": crc(w.astype(np.float16)), "y": crc(y.astype(f32)), "y8": y[:8].tolist()}
    w = (((hash2(np.arange(64)[:, None], 500000 + kk) & np.uint32(0xfff)).astype(np.float64) - 2048) / 16384).astype(np.float16)
    out["w16"] = crc(w)
    for symmetric in (0, 1):
        for half in (0, 1):
            scale, zero, codes = rule(grouped(w.astype(f32), 128), symmetric, half)
            c = (codes - 8 if symmetric else codes).astype(np.int8)
            out[f"{'sym' if symmetric else 'asym'}_{'half' if half else 'float'}"] = {
                "codes": crc(c.reshape(64, 256)), "zeros": crc(zero.astype(np.uint8)), "scales": crc(scale.astype(np.float16))}
    with open("fixture.json", "w", encoding="ascii") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


for make in (fakequant, quantize, clip, gemm, block, stats, linear, fixture):
    make()
