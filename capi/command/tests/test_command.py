"""What the program does with sound input: the files that it writes, what it prints and where."""

import json
import math
import os
import pathlib
import struct
import subprocess
import unittest

from support import AWQ, HIDDEN, INTER, LAYERS, LINEARS, ProgramTest, PROGRESS, floats, ids, model, read, sharded, tensors, tokenizer

RTN = ("--method", "rtn", "--group-size", 32)
ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # output 8i + ORDER[j] lies in bits 4j of word i


def nibbles(data, rows):
    """The 4-bit numbers of a packed tensor of the gemm layout, row by row."""
    words = struct.unpack(f"<{len(data) // 4}I", data)
    out = []
    for w in words:
        eight = [0] * 8
        for j, o in enumerate(ORDER):
            eight[o] = w >> 4 * j & 15
        out += eight
    width = len(out) // rows
    return [out[i * width : i * width + width] for i in range(rows)]


def halves(data, rows):
    v = struct.unpack(f"<{len(data) // 2}e", data)
    return [v[i * len(v) // rows : (i + 1) * len(v) // rows] for i in range(rows)]


class QuantizeTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.content = tensors()
        model(self.at / "src", self.content, files={"tokenizer_config.json": "{}", "generation_config.json": '{"eos_token_id": 2}'})

    def same(self, a, b, files=("model.safetensors", "config.json", "awq_report.json")):
        for name in files:
            self.assertEqual((self.at / a / name).read_bytes(), (self.at / b / name).read_bytes(), f"{a} and {b}: {name}")

    def rounding(self, folder, group, symmetric=False, content=None):
        """Every stored weight lies within half a step of the source's, and codes and zeros keep their rules."""
        got = read(self.at / folder / "model.safetensors")
        content = content or self.content
        for layer in range(LAYERS):
            for lin in LINEARS:
                name = f"model.layers.{layer}.{lin}"
                dtype, (n, k), data = content[name + ".weight"]
                size = k if group == -1 else group
                want = floats(data)
                self.assertEqual(got[name + ".qweight"][:2], ("I32", [k, n // 8]))
                self.assertEqual(got[name + ".qzeros"][:2], ("I32", [k // size, n // 8]))
                self.assertEqual(got[name + ".scales"][:2], ("F16", [k // size, n]))
                code, zero = nibbles(got[name + ".qweight"][2], k), nibbles(got[name + ".qzeros"][2], k // size)
                scale = halves(got[name + ".scales"][2], k // size)
                for g in range(k // size):
                    for o in range(n):
                        s, z = scale[g][o], zero[g][o]
                        if symmetric:
                            self.assertEqual(z, 8)
                        for i in range(g * size, g * size + size):
                            off = abs((code[i][o] - z) * s - want[o * k + i])
                            # Half a step, one step at the ends of a range whose zero point was rounded, and the scale's rounding.
                            self.assertLessEqual(off, s * (1.02 if code[i][o] in (0, 15) else 0.51), name)
        return got

    def test_rounding_to_nearest(self):
        self.works("quantize", "src", "dst", *RTN)
        got = self.rounding("dst", 32)
        self.assertFalse([n for n in got if n.endswith("_proj.weight")])
        for name in ("model.embed_tokens.weight", "model.norm.weight", "model.layers.1.input_layernorm.weight"):
            self.assertEqual(got[name], self.content[name])
        config = json.loads((self.at / "dst/config.json").read_text())
        quantization = config.pop("quantization_config")
        self.assertEqual(config, json.loads((self.at / "src/config.json").read_text()))
        self.assertEqual({k: quantization[k] for k in ("quant_method", "bits", "group_size", "zero_point", "version")},
                         {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"})  # fmt: skip
        self.assertFalse(quantization["modules_to_not_convert"])
        for name in ("tokenizer_config.json", "generation_config.json"):
            self.assertEqual((self.at / "dst" / name).read_bytes(), (self.at / "src" / name).read_bytes())

    def test_symmetric(self):
        self.works("quantize", "src", "dst", *RTN, "--symmetric")
        self.rounding("dst", 32, symmetric=True)
        self.assertIs(json.loads((self.at / "dst/config.json").read_text())["quantization_config"]["zero_point"], False)

    def test_group_sizes(self):
        wide = tensors(hidden=256, inter=256, head_dim=64, layers=1)
        model(self.at / "wide", wide, hidden_size=256, intermediate_size=256, head_dim=64, num_hidden_layers=1)
        for group in (32, 64, 128, 256, -1):
            for method in ((), ("--method", "rtn")):
                done = self.document("quantize", "wide", "dst", "--force", *method, "--samples", 1, "--seq-len", 8, "--calib", "ids.jsonl",
                                     "--group-size", group)  # fmt: skip
                self.assertEqual((done["layers"], done["linears"], done["report"]["group_size"]), (1, 7, group))
                got = read(self.at / "dst/model.safetensors")
                self.assertEqual(got["model.layers.0.mlp.up_proj.scales"][1], [1 if group == -1 else 256 // group, 256])
                seen = self.document("inspect", "dst")
                self.assertEqual((seen["quantised"], seen["group_size"], seen["layout"]), (True, group, "gemm"))

    def test_one_group_a_row(self):
        self.works("quantize", "src", "dst", "--method", "rtn", "--group-size", -1)
        self.rounding("dst", -1)

    def test_source_dtypes(self):
        for dtype in ("F16", "F32"):
            model(self.at / dtype, tensors(dtype))
            self.works("quantize", dtype, "of" + dtype, *RTN)
        self.works("quantize", "src", "ofBF16", *RTN)
        got = {d: read(self.at / ("of" + d) / "model.safetensors") for d in ("BF16", "F16", "F32")}
        for name, tensor in got["BF16"].items():
            if name.split(".")[-1] in ("qweight", "qzeros", "scales"):
                self.assertEqual(got["F16"][name], tensor)
                self.assertEqual(got["F32"][name], tensor)
            else:
                self.assertEqual([got[d][name][0] for d in got], list(got))
        for dtype in ("F16", "F32"):
            self.works("quantize", dtype, "awq" + dtype, *self.SMALL, "--calib", "ids.jsonl")

    def test_report(self):
        done = self.document("quantize", "src", "dst", *self.SMALL, "--calib", "ids.jsonl")
        self.assertEqual(set(done), {"layers", "linears", "seconds", "stage_seconds", "peak_rss_bytes", "bytes_in", "bytes_out", "report"})
        self.assertEqual((done["layers"], done["linears"]), (LAYERS, 7 * LAYERS))
        self.assertGreater(done["peak_rss_bytes"], 1 << 20)
        self.assertEqual(done["bytes_in"], sum(len(data) for _, _, data in self.content.values()))
        self.assertEqual(done["bytes_out"], sum(len(data) for _, _, data in read(self.at / "dst/model.safetensors").values()))
        self.assertEqual(done["report"], json.loads((self.at / "dst/awq_report.json").read_text()))
        linears = {x["module"]: x for x in done["report"]["linears"]}
        self.assertEqual(set(linears), {f"model.layers.{i}.{lin}" for i in range(LAYERS) for lin in LINEARS})
        for name, x in linears.items():
            self.assertEqual(x["tokens"], 48)
            scaled = not name.endswith("o_proj")  # grouped heads: v and o differ in shape
            self.assertEqual([x[key] is not None for key in ("ratio", "loss_rtn", "loss_awq")], [scaled] * 3)
            clipped = not name.endswith(("q_proj", "k_proj"))
            self.assertEqual(x["clip_gain"] is not None, clipped)
            if scaled:
                self.assertIn(x["ratio"], [i / 20 for i in range(20)])
        self.assertLess(done["report"]["largest_fold_change"], 2e-5)

    def test_where_things_are_printed(self):
        code, out, err = self.awq("quantize", "src", "dst", *self.SMALL, "--calib", "ids.jsonl")
        self.assertEqual((code, out.count("\n")), (0, 1))
        self.assertRegex(out, r"^dst: 14 linears in 2 layers, .* -> .* s, peak memory .*\n$")
        self.assertGreater(len(err.splitlines()), 3)
        for line in err.splitlines():
            self.assertRegex(line, PROGRESS)
        code, out, err = self.awq("quantize", "src", "dst2", *self.SMALL, "--calib", "ids.jsonl", "--json")
        json.loads(out)
        self.assertGreater(len(err.splitlines()), 3)
        for words in (("plan", "src", "--group-size", 32), ("inspect", "src"), ("inspect", "dst"), ("devices",), ("version",)):
            code, out, err = self.awq(*words)
            self.assertEqual((code, err, out[-1:]), (0, "", "\n"))
            json.dumps(self.document(*words))

    def test_equal_bytes_whatever_the_threads(self):
        words = (*self.SMALL, "--calib", "ids.jsonl")
        self.works("quantize", "src", "a", *words, "--threads", 1)
        self.works("quantize", "src", "b", *words, "--threads", 2)
        self.works("quantize", "src", "c", *words, env={"AWQ_NUM_THREADS": "3"})
        self.same("a", "b")
        self.same("a", "c")

    def test_equal_bytes_whatever_the_instruction_set(self):
        self.works("quantize", "src", "best", *RTN)
        names = [d["name"] for d in self.document("devices") if d["available"] and d["name"].startswith("cpu/")]
        self.assertIn("cpu/scalar", names)
        for name in names:
            isa = name.split("/")[1]
            self.works("quantize", "src", isa, *RTN, env={"AWQ_FORCE_ISA": isa})
            self.same("best", isa)

    def test_hub_cache_folder(self):
        hub = self.at / "hub/models--a--b"
        (hub / "blobs").mkdir(parents=True)
        (hub / "snapshots/0123abcd").mkdir(parents=True)
        for i, path in enumerate(sorted((self.at / "src").iterdir())):
            (hub / f"blobs/{i:040x}").write_bytes(path.read_bytes())
            (hub / "snapshots/0123abcd" / path.name).symlink_to(f"../../blobs/{i:040x}")
        self.works("quantize", hub / "snapshots/0123abcd", "dst", *RTN)
        self.works("quantize", "src", "plain", *RTN)
        self.same("dst", "plain")
        self.assertFalse([p for p in (self.at / "dst").iterdir() if p.is_symlink()])
        (self.at / "link").symlink_to("hub/models--a--b/snapshots/0123abcd")
        self.works("quantize", "link", "dst2", *RTN)
        self.same("dst2", "plain")

    def test_sharded_source(self):
        sharded(self.at / "parts", self.content)
        for words in (RTN, (*self.SMALL, "--calib", "ids.jsonl")):
            self.works("quantize", "src", "one", *words, "--force")
            self.works("quantize", "parts", "many", *words, "--force")
            self.same("one", "many")
            self.assertFalse((self.at / "many/model.safetensors.index.json").exists())

    def test_standard_input(self):
        self.works("quantize", "src", "a", *self.SMALL, "--calib", "ids.jsonl")
        self.works("quantize", "src", "b", *self.SMALL, "--calib", "-", stdin=(self.at / "ids.jsonl").read_bytes())
        self.same("a", "b", files=["model.safetensors"])

    def test_exclude(self):
        done = self.document("quantize", "src", "dst", *RTN, "--exclude", "model.layers.0.*", "--exclude", "v_proj", "--exclude", "lm_head")
        self.assertEqual(done["linears"], 6)
        kept = [f"model.layers.0.{lin}" for lin in LINEARS] + ["model.layers.1.self_attn.v_proj"]
        got = read(self.at / "dst/model.safetensors")
        for name in kept:
            self.assertEqual(got[name + ".weight"], self.content[name + ".weight"])
        quantization = json.loads((self.at / "dst/config.json").read_text())["quantization_config"]
        self.assertEqual(sorted(quantization["modules_to_not_convert"]), sorted(kept))
        self.assertEqual({x["module"] for x in done["report"]["kept_in_float"]} - {"lm_head"}, set(kept))
        done = self.document("eval", "dst", "--text", "ids.jsonl", "--against", "src")
        self.assertLess(done["kl"], 0.2)

    def test_switches_change_the_result(self):
        results = {}
        for name, words in {"plain": (), "noclip": ("--no-clip",), "noduo": ("--no-duo",), "seed": ("--seed", 7), "samples": ("--samples", 1)}.items():
            self.works("quantize", "src", name, "--group-size", 32, "--samples", 3, "--seq-len", 16, "--calib", "ids.jsonl", *words)
            results[name] = (self.at / name / "model.safetensors").read_bytes()
        self.assertEqual(len(set(results.values())), len(results))

    def test_force_replaces(self):
        self.works("quantize", "src", "dst", *RTN)
        first = (self.at / "dst/model.safetensors").read_bytes()
        (self.at / "dst/stray.txt").write_text("old")
        self.works("quantize", "src", "dst", *RTN, "--symmetric", "--force")
        self.assertNotEqual((self.at / "dst/model.safetensors").read_bytes(), first)
        self.assertEqual([p.name for p in self.at.iterdir() if p.name.startswith(".")], [])

    def test_texts(self):
        (self.at / "src/tokenizer.json").write_text(tokenizer())
        (self.at / "src/tokenizer_config.json").write_text(json.dumps(
            {"chat_template": "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"}))  # fmt: skip
        words = " ".join(f"w{i * 7 % 96}" for i in range(200))
        (self.at / "a.txt").write_text(words)
        (self.at / "a.jsonl").write_text(json.dumps({"text": words}) + "\n")
        (self.at / "b.jsonl").write_text(json.dumps({"body": words}) + "\n")
        (self.at / "i.jsonl").write_text(json.dumps({"input_ids": [i * 7 % 96 for i in range(200)]}) + "\n")
        (self.at / "c.jsonl").write_text("".join(json.dumps({"messages": [{"role": "w1", "content": words}]}) + "\n" for _ in range(2)))
        for name, more in {"a.txt": (), "a.jsonl": (), "b.jsonl": ("--text-column", "body"), "i.jsonl": ()}.items():
            self.works("quantize", "src", f"of-{name}", *self.SMALL, "--calib", name, *more)
            self.same(f"of-{name}", "of-a.txt", files=["model.safetensors"])
        done = self.document("quantize", "src", "chat", *self.SMALL, "--calib", "c.jsonl", "--chat")
        self.assertEqual(done["report"]["calibration_windows"], 3)
        self.works("quantize", "src", "builtin", "--group-size", 32, "--samples", 2, "--seq-len", 16)
        self.assertEqual((self.at / "builtin/tokenizer.json").read_text(), tokenizer())


class EvalTest(ProgramTest):
    def setUp(self):
        super().setUp()
        model(self.at / "src", tensors())
        self.works("quantize", "src", "awq", *self.SMALL, "--calib", "ids.jsonl")
        (self.at / "held.jsonl").write_text(ids(lines=5, length=40, seed=9))

    def test_folder_without_a_tokenizer(self):
        done = self.document("eval", "src", "--text", "held.jsonl")
        self.assertTrue({"perplexity", "nll", "tokens", "kl", "top1_agreement", "seconds"} <= set(done))
        self.assertEqual((done["tokens"], done["kl"], done["top1_agreement"]), (5 * 39, None, None))
        self.assertAlmostEqual(done["perplexity"], math.exp(done["nll"]), delta=1e-9 * done["perplexity"])
        again = self.document("eval", "src", "--text", "-", stdin=(self.at / "held.jsonl").read_bytes())
        self.assertEqual(again["nll"], done["nll"])
        part = self.document("eval", "src", "--text", "held.jsonl", "--tokens", 80)
        self.assertEqual(part["tokens"], 2 * 39)

    def test_against(self):
        self.works("quantize", "src", "rtn", *RTN, "--symmetric")
        base = self.document("eval", "src", "--text", "held.jsonl")
        itself = self.document("eval", "src", "--text", "held.jsonl", "--against", "src")
        self.assertEqual((itself["kl"], itself["top1_agreement"], itself["nll"]), (0, 1, base["nll"]))
        for name in ("awq", "rtn"):
            done = self.document("eval", name, "--text", "held.jsonl", "--against", "src")
            self.assertEqual(done["nll"], self.document("eval", name, "--text", "held.jsonl")["nll"])
            self.assertTrue(0 < done["kl"] < 1 and 0 < done["top1_agreement"] <= 1, done)
            forced = self.document("eval", name, "--text", "held.jsonl", "--against", "src", env={"AWQ_FORCE_ISA": "scalar"})
            self.assertAlmostEqual(forced["nll"], done["nll"], delta=1e-5)
        out = self.works("eval", "awq", "--text", "held.jsonl", "--against", "src")
        self.assertRegex(out, r"^perplexity \d+\.\d+  nll \d+\.\d+  tokens 195  kl \d+\.\d+  top-1 agreement \d+\.\d+ %  \d+\.\d s\n$")

    def test_prompt(self):
        for name in ("src", "awq"):
            (self.at / name / "tokenizer.json").write_text(tokenizer())
            out = self.works("eval", name, "--prompt", "w3 w1 w4", "--max-new-tokens", 5)
            self.assertTrue(out.endswith("\n"))
            done = self.document("eval", name, "--prompt", "w3 w1 w4", "--max-new-tokens", 5)
            self.assertTrue(out.rstrip("\n").endswith(done["continuation"]), (out, done))
            self.assertEqual(len(done["continuation"].split()), 5)
        done = self.document("eval", "src", "--prompt", "w1", "--text", "held.jsonl", "--max-new-tokens", 2)
        self.assertTrue(done["perplexity"] and done["continuation"])

    def test_windows_of_a_text(self):
        (self.at / "src/tokenizer.json").write_text(tokenizer())
        numbers = [i * i % 96 for i in range(100)]
        (self.at / "a.txt").write_text(" ".join(f"w{n}" for n in numbers))
        (self.at / "w.jsonl").write_text("".join(json.dumps({"input_ids": numbers[i : i + 32]}) + "\n" for i in (0, 32, 64)))
        text = self.document("eval", "src", "--text", "a.txt", "--context", 32)
        lines = self.document("eval", "src", "--text", "w.jsonl")
        self.assertEqual((text["tokens"], text["nll"]), (3 * 31, lines["nll"]))


class OtherCommandsTest(ProgramTest):
    def test_help_shows_examples(self):
        for command in ("quantize", "plan", "eval", "inspect", "bench"):
            self.assertIn("Examples:\n  awq ", self.works("help", command))
            self.assertEqual(self.works("help", command), self.works(command, "--help"))
        self.assertIn("quantize", self.works())
        self.assertIn("quantize", self.works("help"))

    def test_plan(self):
        model(self.at / "src", tensors())
        plan = self.document("plan", "src", "--group-size", 32)
        self.assertEqual((plan["layers"], plan["linears"], plan["usable_group_sizes"]), (LAYERS, 7 * LAYERS, [32, -1]))
        self.assertEqual({s["linear"]: (s["n"], s["k"], s["count"]) for s in plan["shapes"]}["mlp.down_proj"], (HIDDEN, INTER, LAYERS))
        done = self.document("quantize", "src", "dst", *RTN)
        self.assertEqual((plan["bytes_in"], plan["bytes_out"]), (done["bytes_in"], done["bytes_out"]))

    def test_bench(self):
        for kind in ("gemm", "linear"):
            rows = self.document("bench", kind, "--m", 16, "--n", 64, "--k", 64, "--group-size", 32, "--seconds", 0.05)
            self.assertEqual([(r["bench"], r["m"]) for r in rows], [(kind, 16)])
            self.assertGreater(rows[0]["gflops"], 0)

    def test_cost_model(self):
        """More threads are never slower, and memory bounds them all."""
        free = self.document("bench", "model", "--n", 4096, "--k", 4096)
        self.assertEqual([r["m"] for r in free], [1, 4, 16, 64, 512])
        for row in free:
            times = [row["microseconds"][threads] for threads in ("1", "2", "4", "8", "16")]
            self.assertEqual(times, sorted(times, reverse=True))
            self.assertGreater(times[0] / times[2], 3)
        (bound,) = self.document("bench", "model", "--n", 4096, "--k", 4096, "--m", 1, "--gbytes", 10)
        self.assertAlmostEqual(bound["microseconds"]["16"], 4096 * 4096 * (0.5 + 2.5 / 128) / 10e9 * 1e6, delta=1)

    def test_version_is_the_librarys(self):
        header = pathlib.Path(__file__).resolve().parents[3] / "include/awq/awq.h"
        version = self.document("version")["version"]
        self.assertEqual(self.works("version"), f"awq {version}\n")
        if header.exists():
            for part, name in zip(version.split("."), ("MAJOR", "MINOR", "PATCH")):
                self.assertRegex(header.read_text(), rf"AWQ_VERSION_{name}\s+{part}\b")

    def test_closed_output(self):
        """`awq ... | head` ends without a word: the reader is gone before anything is printed."""
        read_end, write_end = os.pipe()
        os.close(read_end)
        done = subprocess.run([AWQ, "help", "quantize"], stdout=write_end, stderr=subprocess.PIPE, timeout=60)
        os.close(write_end)
        self.assertNotEqual(done.returncode, 0)
        self.assertLessEqual(done.stderr.count(b"\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
