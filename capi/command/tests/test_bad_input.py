"""What the program refuses: one line with names and numbers, an exit code, and nothing written."""

import json
import os
import resource
import shutil
import struct
import subprocess
import unittest

from support import HIDDEN, ProgramTest, model, safetensors, sharded, stored, tensors, tokenizer


class BadFilesTest(ProgramTest):
    def refuse(self, raw, *names, content=None):
        """A model.safetensors of these bytes is refused by whatever opens a folder."""
        src = model(self.at / "src", files={"model.safetensors": raw})
        for words in (("quantize", "src", "dst", "--method", "rtn", "--group-size", 32), ("plan", "src"), ("inspect", "src")):
            self.fails(*words, names=names)
        shutil.rmtree(src)

    def header(self, change):
        """A sound file whose header `change` has edited."""
        content = tensors()
        raw = safetensors(content)
        header = json.loads(raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]])
        change(header)
        return safetensors(content, header)

    def test_truncated_file(self):
        raw = safetensors(tensors())
        self.refuse(raw[:-10], "model.safetensors")
        self.refuse(raw[:100], "model.safetensors", "100")
        self.refuse(raw[:5], "model.safetensors", "5")
        self.refuse(b"", "model.safetensors", "0")

    def test_trailing_bytes(self):
        self.refuse(safetensors(tensors()) + b"12345678", "model.safetensors")

    def test_header_longer_than_the_file(self):
        raw = safetensors(tensors())
        for length in (len(raw), 1 << 40, (1 << 64) - 1):
            self.refuse(struct.pack("<Q", length) + raw[8:], "model.safetensors", str(length))

    def test_overlapping_offsets(self):
        def change(h):
            a, b = h["model.layers.0.self_attn.q_proj.weight"], h["model.layers.0.self_attn.k_proj.weight"]
            size = b["data_offsets"][1] - b["data_offsets"][0]
            b["data_offsets"] = [a["data_offsets"][0], a["data_offsets"][0] + size]

        self.refuse(self.header(change), "model.safetensors", "model.layers.0.self_attn.")

    def test_gap_between_tensors(self):
        content = tensors()
        header, at = {}, 0
        for name, (dtype, shape, data) in content.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
            at += len(data)
            if name == "model.layers.0.mlp.up_proj.weight":
                at += 16
        raw = safetensors(content, header)
        self.refuse(raw + bytes(16), "model.safetensors", "model.layers.0.mlp.")

    def test_size_against_shape(self):
        def change(h):
            h["model.norm.weight"]["shape"] = [HIDDEN + 1]

        self.refuse(self.header(change), "model.safetensors", "model.norm.weight", str(HIDDEN + 1))

    def test_huge_shape(self):
        def change(h):
            h["model.norm.weight"]["shape"] = [1 << 40, 1 << 40]

        self.refuse(self.header(change), "model.safetensors", "model.norm.weight")

    def test_duplicate_names(self):
        """Sound in everything else: each of the two has its own bytes."""
        content = tensors()
        again = "model.layers.0.self_attn.q_proj.weight"
        content["model.stand_in.weight"] = content[again]
        raw = safetensors(content)
        text = raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]].rstrip(b" ")
        self.refuse(safetensors(content, text.replace(b"model.stand_in.weight", again.encode())), "model.safetensors", again, "twice")

    def test_header_that_is_no_json(self):
        self.refuse(safetensors(tensors(), b'{"a": nonsense'), "model.safetensors")

    def test_wrong_shape_and_missing_tensor(self):
        content = tensors()
        content.pop("model.layers.1.mlp.up_proj.weight")
        self.refuse(safetensors(content), "model.layers.1.mlp.up_proj.weight")
        content = tensors(inter=80)
        self.refuse(safetensors(content), "model.layers.0.mlp.gate_proj.weight", "[80 64]", "[96 64]")

    def test_missing_shard(self):
        src = sharded(self.at / "src", tensors())
        (src / "model-00002-of-00003.safetensors").unlink()
        self.fails("quantize", "src", "dst", "--method", "rtn", "--group-size", 32, names=["model-00002-of-00003.safetensors"])

    def test_truncated_shard(self):
        src = sharded(self.at / "src", tensors())
        part = src / "model-00003-of-00003.safetensors"
        part.write_bytes(part.read_bytes()[:-1])
        self.fails("quantize", "src", "dst", "--method", "rtn", "--group-size", 32, names=[part.name])

    def test_index_that_names_a_missing_file(self):
        src = sharded(self.at / "src", tensors())
        path = src / "model.safetensors.index.json"
        for name in ("model-00009-of-00003.safetensors", "../elsewhere.safetensors", "/etc/passwd"):
            index = json.loads(path.read_text())
            index["weight_map"]["model.norm.weight"] = name
            path.write_text(json.dumps(index))
            self.fails("inspect", "src", names=[name])

    def test_index_that_names_a_tensor_that_is_not_there(self):
        src = sharded(self.at / "src", tensors())
        path = src / "model.safetensors.index.json"
        index = json.loads(path.read_text())
        index["weight_map"]["model.extra.weight"] = "model-00001-of-00003.safetensors"
        path.write_text(json.dumps(index))
        self.fails("inspect", "src", names=["model.extra.weight", "model-00001-of-00003.safetensors"])

    def test_nan_and_inf(self):
        for dtype in ("BF16", "F16", "F32"):
            for value in ("nan", "inf", "-inf"):
                name = {"BF16": "model.layers.1.mlp.down_proj.weight", "F16": "model.layers.0.input_layernorm.weight", "F32": "model.norm.weight"}[dtype]
                content = tensors(dtype)
                kind, shape, data = content[name]
                size = len(stored([0.0], dtype))
                content[name] = (kind, shape, data[: 3 * size] + stored([float(value)], dtype) + data[4 * size :])
                src = model(self.at / "src", content)
                shown = {"nan": "NaN", "inf": "Inf", "-inf": "-Inf"}[value]
                self.fails("quantize", "src", "dst", "--method", "rtn", "--group-size", 32, names=[name, shown, "element 3"], working=True)
                shutil.rmtree(src)
        content = tensors()
        kind, shape, data = content["model.embed_tokens.weight"]
        content["model.embed_tokens.weight"] = (kind, shape, data[:-2] + stored([float("nan")], "BF16"))
        model(self.at / "src", content)
        (self.at / "last.jsonl").write_text(json.dumps({"input_ids": [96] * 64}))
        self.fails("quantize", "src", "dst", *self.SMALL, "--calib", "last.jsonl", names=["model.embed_tokens.weight", "NaN"], working=True)

    def test_no_model(self):
        self.fails("quantize", "nowhere", "dst", names=["nowhere"])
        (self.at / "empty").mkdir()
        self.fails("quantize", "empty", "dst", names=["empty", "config.json"])
        model(self.at / "bare")
        self.fails("quantize", "bare", "dst", names=["bare", "safetensors"])

    def test_config(self):
        content = tensors()
        for i, (changes, names) in enumerate((
            ({"hidden_size": None}, ["hidden_size"]),
            ({"hidden_size": 1 << 40}, ["hidden_size", str(1 << 40)]),
            ({"num_key_value_heads": 3}, ["num_key_value_heads", "3", "4"]),
            ({"architectures": ["Gpt9ForCausalLM"]}, ["Gpt9ForCausalLM", "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"]),
            ({"architectures": []}, ["architectures"]),
            ({"rope_scaling": {"type": "spiral"}}, ["spiral", "yarn"]),
            ({"hidden_act": "gelu"}, ["gelu", "silu"]),
            ({"vocab_size": 96}, ["model.embed_tokens.weight", "97", "96"]),
        )):  # fmt: skip
            model(self.at / f"src{i}", content, **changes)
            self.fails("quantize", f"src{i}", "dst", "--method", "rtn", "--group-size", 32, names=names)
        for i, text in enumerate((b"", b"{", b"[]", b'{"hidden_size": "many"}', b"\xff\xfe{}")):
            model(self.at / f"text{i}", content, files={"config.json": text})
            self.fails("plan", f"text{i}", names=["config.json"])


class BadRequestTest(ProgramTest):
    def setUp(self):
        super().setUp()
        model(self.at / "src", tensors())

    def test_wrong_use(self):
        for words, names in (
            (("frobnicate",), ["frobnicate"]),
            (("quantize",), ["SRC", "DST"]),
            (("quantize", "src"), ["SRC", "DST"]),
            (("quantize", "src", "dst", "more"), ["3"]),
            (("quantize", "src", "dst", "--frobnicate"), ["--frobnicate"]),
            (("quantize", "src", "dst", "--layout", "gemx"), ["gemx", "gemm"]),
            (("quantize", "src", "dst", "--method", "gptq"), ["gptq", "awq, rtn"]),
            (("quantize", "src", "dst", "--group-size", "48"), ["48", "32, 64, 128, 256, -1"]),
            (("quantize", "src", "dst", "--group-size", "many"), ["many"]),
            (("quantize", "src", "dst", "--samples", "0"), ["0"]),
            (("quantize", "src", "dst", "--seq-len", "1"), ["1"]),
            (("quantize", "src", "dst", "--threads", "-3"), ["-3"]),
            (("quantize", "src", "dst", "--group-size", "32", "--exclude", "no_such_part"), ["no_such_part"]),
            (("quantize", "src", "src", "--group-size", "32"), ["src"]),
            (("quantize", "src", "src/dst", "--group-size", "32"), ["src/dst"]),
            (("eval", "src"), ["--text", "--prompt"]),
            (("eval", "src", "--text", "ids.jsonl", "--context", "1"), ["1"]),
            (("plan",), ["SRC"]),
            (("inspect", "a", "b"), ["2"]),
            (("bench", "paint"), ["paint", "gemm", "linear"]),
            (("bench", "model", "--gbytes", "-5"), ["gbytes", "-5"]),
            (("bench", "model", "--gbytes", "nan"), ["gbytes", "NaN"]),
            (("quantize", "src", "dst", "--objective", "kl"), ["kl", "linear, module, auto"]),
            (("quantize", "src", "dst", "--refine", "best"), ["best", "off, fast"]),
        ):
            self.fails(*words, names=names, code=2)

    def test_unknown_instruction_set(self):
        self.fails("quantize", "src", "dst", "--method", "rtn", "--group-size", 32, names=["sse9"], env={"AWQ_FORCE_ISA": "sse9"})

    def test_thread_counts(self):
        for count in ("0", "257", "two", "-1"):
            self.fails("quantize", "src", "dst", "--method", "rtn", "--group-size", 32, names=["AWQ_NUM_THREADS", f'"{count}"', "1 to 256"], env={"AWQ_NUM_THREADS": count})
        self.fails("quantize", "src", "dst", "--method", "rtn", "--group-size", 32, "--threads", 300, names=["300 threads", "1 to 256"])

    def test_group_size_that_does_not_divide(self):
        line = self.fails("quantize", "src", "dst", "--group-size", 64, names=["mlp.down_proj", "group_size 64", "k=96", "32, -1"])
        self.fails("quantize", "src", "dst", names=["group_size 128", "k=64", "32, -1"])
        # plan shows it before any work, to people and to programs
        code, out, err = self.awq("plan", "src", "--group-size", 64)
        self.assertEqual((code, err), (1, line + "\n"))
        self.assertRegex(out, r"group sizes that divide every linear +32, -1\n")
        code, out, err = self.awq("plan", "src", "--group-size", 64, "--json")
        plan = json.loads(out)
        self.assertEqual((code, err, plan["usable_group_sizes"]), (1, line + "\n", [32, -1]))
        self.assertEqual(plan["problem"], line[len("awq: ") :])
        self.assertEqual(plan["dividing_group_sizes"]["mlp.gate_proj"], [32, 64, -1])

    def test_destination_exists(self):
        small = ("--method", "rtn", "--group-size", 32)
        (self.at / "dst").mkdir()
        (self.at / "dst" / "mine.txt").write_text("keep")
        self.fails("quantize", "src", "dst", *small, names=["dst", "exists"])
        self.fails("quantize", "src", "dst", *small, "--force", names=["dst", "config.json"])  # not a model: never replaced
        (self.at / "file").write_text("keep")
        self.fails("quantize", "src", "file", *small, names=["file"])
        self.fails("quantize", "src", "file", *small, "--force", names=["file"])
        self.fails("quantize", "src", "no/such/parent", *small, names=["no/such/parent"])

    def test_already_quantised(self):
        self.works("quantize", "src", "q", "--method", "rtn", "--group-size", 32)
        self.fails("quantize", "q", "dst", "--method", "rtn", "--group-size", 32, names=["q", "already quantised", "awq"])
        self.fails("plan", "q", names=["already quantised"])

    def test_quantised_tensors_that_lie(self):
        self.works("quantize", "src", "q", "--method", "rtn", "--group-size", 32)
        text = json.loads((self.at / "q/config.json").read_text())
        for change, names in (({"group_size": 64}, ["q_proj.qzeros", "[2 8]", "[1 8]"]), ({"version": "marlin9"}, ["marlin9"]), ({"bits": 3}, ["3"]),
                              ({"quant_method": "gptq"}, ["gptq"])):  # fmt: skip
            wrong = {**text, "quantization_config": {**text["quantization_config"], **change}}
            (self.at / "q/config.json").write_text(json.dumps(wrong))
            self.fails("inspect", "q", names=names)

    def test_calibration(self):
        files = {
            "empty.txt": (b"", ["empty.txt", "empty"]), "blank.txt": (b" \n\t\n", ["blank.txt", "empty"]), "empty.jsonl": (b"", ["empty.jsonl"]),
            "latin.txt": (b"caf\xe9 au lait", ["latin.txt", "UTF-8", "0xe9", "3"]), "utf16.txt": ("w1 w2".encode("utf-16"), ["utf16.txt", "UTF-16"]),
            "latin.jsonl": (b'{"input_ids": [1]}\n{"text": "caf\xe9"}\n', ["latin.jsonl:2", "UTF-8"]),
            "short.jsonl": (b'{"input_ids": [1, 2, 3]}\n', ["short.jsonl", "3 tokens", "16"]),
            "beyond.jsonl": (b'{"input_ids": [1, 2, 3]}\n{"input_ids": [5, 97]}\n', ["beyond.jsonl:2", "97"]),
            "below.jsonl": (b'{"input_ids": [1, -2]}\n', ["below.jsonl:1", "-2"]),
            "half.jsonl": (b'{"input_ids": [1, 2.5]}\n', ["half.jsonl:1"]), "huge.jsonl": (b'{"input_ids": [1, 99999999999999999999]}\n', ["huge.jsonl:1"]),
            "broken.jsonl": (b'{"input_ids": [1, 2}\n', ["broken.jsonl:1"]), "other.jsonl": (b'{"body": "w1"}\n', ["other.jsonl:1", "text"]),
            "chat.jsonl": (b'{"messages": [{"role": "user", "content": "w1"}]}\n', ["chat.jsonl:1", "--chat"]),
            "words.doc": (b"w1 w2", ["words.doc", ".txt"]),
        }  # fmt: skip
        for name, (data, names) in files.items():
            (self.at / name).write_bytes(data)
            self.fails("quantize", "src", "dst", *self.SMALL, "--calib", name, names=names)
        self.fails("quantize", "src", "dst", *self.SMALL, "--calib", "nowhere.txt", names=["nowhere.txt"])
        self.fails("quantize", "src", "dst", *self.SMALL, "--calib", "src", names=["src"])
        self.fails("quantize", "src", "dst", *self.SMALL, "--calib", "-", stdin=b"", names=["standard input"])
        self.fails("quantize", "src", "dst", "--group-size", 32, "--calib", "ids.jsonl", "--seq-len", 300, names=["300", "256"], code=2)

    def test_texts_need_a_tokenizer(self):
        (self.at / "a.txt").write_text("w1 w2")
        self.fails("quantize", "src", "dst", *self.SMALL, names=["tokenizer.json"])
        self.fails("quantize", "src", "dst", *self.SMALL, "--calib", "a.txt", names=["tokenizer.json"])
        self.fails("eval", "src", "--text", "a.txt", names=["tokenizer.json"])
        self.fails("eval", "src", "--prompt", "w1 w2", names=["tokenizer.json"])
        (self.at / "src/tokenizer.json").write_text("{}")
        self.fails("eval", "src", "--prompt", "w1 w2", names=["tokenizer.json"])

    def test_text_shorter_than_a_window(self):
        (self.at / "src/tokenizer.json").write_text(tokenizer())
        (self.at / "a.txt").write_text("w1 w2 w3")
        self.fails("quantize", "src", "dst", *self.SMALL, "--calib", "a.txt", names=["a.txt", "3 tokens", "16"])
        self.fails("eval", "src", "--text", "a.txt", names=["a.txt", "3 tokens", "1024"])

    def test_chat_without_a_template(self):
        (self.at / "src/tokenizer.json").write_text(tokenizer())
        (self.at / "src/tokenizer_config.json").write_text("{}")
        (self.at / "c.jsonl").write_text('{"messages": [{"role": "user", "content": "w1"}]}\n')
        self.fails("quantize", "src", "dst", *self.SMALL, "--calib", "c.jsonl", "--chat", names=["c.jsonl:1", "tokenizer_config.json", "no chat template"])

    def test_eval_against_another_vocabulary(self):
        content = tensors()
        kind, shape, data = content["model.embed_tokens.weight"]
        content["model.embed_tokens.weight"] = (kind, [96, HIDDEN], data[: 96 * HIDDEN * 2])
        model(self.at / "other", content, vocab_size=96)
        self.fails("eval", "src", "--text", "ids.jsonl", "--against", "other", names=["97", "96"], code=2)
        (self.at / "beyond.jsonl").write_text('{"input_ids": [1, 97]}')
        self.fails("eval", "src", "--text", "beyond.jsonl", names=["beyond.jsonl:1", "97"])


class FullDiskTest(ProgramTest):
    def setUp(self):
        super().setUp()
        model(self.at / "src", tensors())

    def test_file_size_limit(self):
        for limit in (100, 5000, 40000):
            def small(limit=limit):
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

            # Python ignores SIGXFSZ; the program inherits that and sees the error of the write.
            for words in (("--method", "rtn", "--group-size", 32), (*self.SMALL, "--calib", "ids.jsonl")):
                self.fails("quantize", "src", "dst", *words, names=["model.safetensors"], working=True, preexec_fn=small, restore_signals=False)

    def test_full_file_system(self):
        disk = self.at / "disk"
        disk.mkdir()
        if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("mounting a small file system needs root")
        self.addCleanup(subprocess.run, ["umount", str(disk)], check=True)
        for words in (("--method", "rtn", "--group-size", 32), (*self.SMALL, "--calib", "ids.jsonl")):
            self.fails("quantize", "src", "disk/dst", *words, names=["no space left"], working=True)
        self.assertEqual(list(disk.iterdir()), [])

    def test_parent_that_cannot_be_written(self):
        (self.at / "locked").mkdir(mode=0o555)
        if os.access(self.at / "locked", os.W_OK):
            self.skipTest("root writes to any folder")
        self.fails("quantize", "src", "locked/dst", "--method", "rtn", "--group-size", 32, names=["locked/dst"])


if __name__ == "__main__":
    unittest.main()
