"""The generated declarations against the golden ABI file, the header and the loaded library."""

import ctypes
import unittest

import support
from support import ABI, libawq

from libawq import _abi
from libawq._library import library


class Golden(support.Case):
    lines = [line.split(" ") for line in (ABI / "awq.abi").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

    def test_sizes_and_offsets(self) -> None:
        for kind, name, *rest in self.lines:
            if kind == "struct":
                self.assertEqual(ctypes.sizeof(getattr(_abi, name)), int(rest[0]), name)
            elif kind == "member":
                struct, member = name.split(".")
                field = getattr(getattr(_abi, struct), member)
                self.assertEqual((field.offset, field.size), (int(rest[0]), int(rest[1])), name)

    def test_enumerators(self) -> None:
        for kind, name, *rest in self.lines:
            if kind == "enum":
                self.assertEqual(getattr(_abi, name), int(rest[0]), name)

    def test_functions(self) -> None:
        names = {name for kind, name, *_ in self.lines if kind == "function"}
        self.assertEqual(set(_abi.PROTOTYPES), names)
        for name in names:
            self.assertTrue(getattr(library(), name))

    def test_up_to_date(self) -> None:
        import generate
        import header

        for path, text in generate.outputs(header.load()).items():
            self.assertEqual(path.read_text(encoding="utf-8"), text, f"{path.name} is stale: run {generate.COMMAND}")


class Errors(support.Case):
    def test_every_status_has_a_class(self) -> None:
        from libawq import _errors

        for value, name in _abi.STATUS_NAMES.items():
            self.assertEqual(library().awq_status_name(value).decode(), name)
            if value:
                self.assertTrue(issubclass(_errors._CLASSES[value], libawq.AwqError))

    def test_builtin_bases(self) -> None:
        pairs = [
            (libawq.InvalidArgument, ValueError),
            (libawq.Unsupported, NotImplementedError),
            (libawq.NotFound, FileNotFoundError),
            (libawq.CorruptError, ValueError),
            (libawq.IOFailure, OSError),
            (libawq.OutOfMemory, MemoryError),
        ]
        for ours, builtin in pairs:
            with self.assertRaises(builtin) as caught:
                raise ours("some message", 4)
            self.assertEqual(str(caught.exception), "some message")
            self.assertEqual(caught.exception.status_name, "AWQ_ERR_CORRUPT")

    def test_pickle(self) -> None:
        import pickle

        e = pickle.loads(pickle.dumps(libawq.NotFound("no x", 3)))
        self.assertEqual((type(e), str(e), e.status), (libawq.NotFound, "no x", 3))


if __name__ == "__main__":
    unittest.main()
