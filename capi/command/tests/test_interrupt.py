"""Runs that end before their time: Ctrl-C, termination and kill leave nothing or the finished folder."""

import json
import os
import random
import signal
import subprocess
import time
import unittest

from support import AWQ, VOCAB, ProgramTest, ids, model, tensors, tokenizer

WIDE = {"hidden": 256, "inter": 512, "head_dim": 64}
WIDE_CONFIG = {"hidden_size": 256, "intermediate_size": 512, "head_dim": 64}


class InterruptTest(ProgramTest):
    def start(self, *words, stdin=subprocess.DEVNULL):
        job = subprocess.Popen([AWQ, *map(str, words)], cwd=self.at, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(job.stderr.close)
        self.addCleanup(job.stdout.close)
        self.addCleanup(job.wait)
        self.addCleanup(job.kill)
        return job

    def interrupt(self, job, number=signal.SIGINT):
        """Exit code, what came to standard error and how long the program took to stop."""
        self.assertIsNone(job.poll(), "the job was over before it could be stopped")
        start = time.monotonic()
        job.send_signal(number)
        code = job.wait(timeout=20)  # communicate() would close its standard input
        seconds = time.monotonic() - start
        return code, job.stderr.read().decode(), seconds

    def stops(self, prepare, number=signal.SIGINT):
        """A job stops within a second and leaves nothing; a busy machine gets three tries for the second, not for the rest."""
        before, times = self.tree(), []
        for _ in range(3):
            code, err, seconds = self.interrupt(prepare(), number)
            self.assertEqual(code, 130, err)
            self.assertEqual(err.splitlines()[-1], "awq: cancelled; nothing was left behind")
            self.assertEqual(self.tree(), before)
            times.append(seconds)
            if seconds < 1:
                return
        self.fail(f"stopping took {times} s")

    def test_while_searching(self):
        model(self.at / "src", tensors(**WIDE), **WIDE_CONFIG)
        (self.at / "many.jsonl").write_text(ids(lines=40, length=256))

        def during(stage):
            job = self.start("quantize", "src", "dst", "--group-size", 32, "--seq-len", 256, "--samples", 40, "--calib", "many.jsonl")
            for line in job.stderr:
                if stage in line:
                    return job
            self.fail(f"no line of {stage}")

        self.stops(lambda: during(b"calibrate"))
        self.stops(lambda: during(b"search"))
        self.stops(lambda: during(b"search"), signal.SIGTERM)

    def test_while_reading_text(self):
        """Neither a silent standard input nor a long text holds the program."""
        model(self.at / "src", tensors(), files={"tokenizer.json": tokenizer()})

        def silent(*words):
            job = self.start(*words, stdin=subprocess.PIPE)
            self.addCleanup(job.stdin.close)
            time.sleep(0.3)
            return job

        self.stops(lambda: silent("quantize", "src", "dst", "--group-size", 32, "--seq-len", 16, "--calib", "-"))
        self.stops(lambda: silent("eval", "src", "--text", "-"))
        words = " ".join(f"w{i % (VOCAB - 1)}" for i in range(100000)) + "\n"
        (self.at / "long.txt").write_text(40 * words)

        def reading():
            job = self.start("quantize", "src", "dst", "--group-size", 32, "--seq-len", 16, "--calib", "long.txt", "--samples", 400000)
            time.sleep(0.3)
            return job

        self.stops(reading)

    def test_while_evaluating(self):
        model(self.at / "src", tensors(**WIDE), **WIDE_CONFIG)
        (self.at / "many.jsonl").write_text(ids(lines=600, length=256))

        def evaluating():
            job = self.start("eval", "src", "--text", "many.jsonl", "--against", "src")
            job.stderr.readline()
            return job

        self.stops(evaluating)

    def test_second_interrupt_ends_at_once(self):
        model(self.at / "src", tensors(**WIDE), **WIDE_CONFIG)
        (self.at / "many.jsonl").write_text(ids(lines=40, length=256))
        job = self.start("quantize", "src", "dst", "--group-size", 32, "--seq-len", 256, "--samples", 40, "--calib", "many.jsonl")
        job.stderr.readline()
        job.send_signal(signal.SIGINT)
        job.send_signal(signal.SIGINT)
        self.assertIn(job.wait(timeout=5), (130, -signal.SIGINT))
        self.assertFalse((self.at / "dst").exists())
        self.works("quantize", "src", "dst", "--method", "rtn", "--group-size", 32)
        self.assertEqual(sorted(p.name for p in self.at.iterdir()), ["dst", "ids.jsonl", "many.jsonl", "src"])

    def test_killed(self):
        """kill -9 at random moments: dst is absent or whole; what is left goes with the next run."""
        model(self.at / "src", tensors())
        (self.at / "ids.jsonl").write_text(ids(lines=8, length=64))
        words = ("quantize", "src", "dst", "--group-size", 32, "--seq-len", 64, "--samples", 8, "--calib", "ids.jsonl")
        start = time.monotonic()
        self.works(*words)
        whole = time.monotonic() - start
        good = {p.name: p.read_bytes() for p in (self.at / "dst").iterdir()}
        r, partial, finished = random.Random(3), 0, 0
        for i in range(12):
            if (self.at / "dst").exists():
                self.assertEqual({p.name: p.read_bytes() for p in (self.at / "dst").iterdir()}, good)
                for p in (self.at / "dst").iterdir():
                    p.unlink()
                (self.at / "dst").rmdir()
            job = self.start(*words)
            time.sleep(whole * (i + r.random()) / 12)
            job.kill()
            job.wait()
            partial += any(p.name.startswith(".") for p in self.at.iterdir())
            finished += (self.at / "dst").exists()
        self.assertGreater(partial, 2, f"kills hit nothing; {finished} of 12 runs had ended")
        self.works(*words, "--force")
        self.assertEqual({p.name: p.read_bytes() for p in (self.at / "dst").iterdir()}, good)
        self.assertEqual(sorted(p.name for p in self.at.iterdir()), ["dst", "ids.jsonl", "src"])

    def test_killed_while_replacing(self):
        """With --force the old folder stands until the new one takes its place."""
        model(self.at / "src", tensors())
        (self.at / "ids.jsonl").write_text(ids(lines=8, length=64))
        self.works("quantize", "src", "dst", "--method", "rtn", "--group-size", 32)
        old = {p.name: p.read_bytes() for p in (self.at / "dst").iterdir()}
        words = ("quantize", "src", "dst", "--group-size", 32, "--seq-len", 64, "--samples", 8, "--calib", "ids.jsonl", "--force")
        for delay in (0.02, 0.05, 0.1, 0.2):
            job = self.start(*words)
            time.sleep(delay)
            job.kill()
            job.wait()
            config = json.loads((self.at / "dst/config.json").read_text())
            self.assertEqual(config["quantization_config"]["group_size"], 32)
            now = {p.name: p.read_bytes() for p in (self.at / "dst").iterdir()}
            if json.loads(now["awq_report.json"])["method"] == "rtn":
                self.assertEqual(now, old)
        self.works(*words)
        self.assertEqual(sorted(p.name for p in self.at.iterdir()), ["dst", "ids.jsonl", "src"])

    def test_two_runs_at_once(self):
        """One of two runs with the same destination wins, whole; the other says so."""
        model(self.at / "src", tensors())
        (self.at / "ids.jsonl").write_text(ids(lines=8, length=64))
        jobs = [self.start("quantize", "src", "dst", "--group-size", 32, "--seq-len", 64, "--samples", 8, "--calib", "ids.jsonl") for _ in range(2)]
        ends = [job.communicate(timeout=60) for job in jobs]
        self.assertEqual(sorted(job.returncode for job in jobs), [0, 1], ends)
        self.assertIn(b"exists", ends[[job.returncode for job in jobs].index(1)][1])
        self.works("inspect", "dst")
        self.assertEqual(sorted(os.listdir(self.at)), ["dst", "ids.jsonl", "src"])


if __name__ == "__main__":
    unittest.main()
