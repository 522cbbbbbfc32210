#!/usr/bin/env python3
"""Writes the parquet files of this folder, and beside each kind of table the rows that it holds, a JSON array a line.

Needs Python 3.9 and pyarrow 21.0.0. Run it in this folder: python3 make.py
"""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq

assert pa.__version__ == "21.0.0", pa.__version__

WORDS = "the of light and a refraction colours is in glass été über naïve 光 😀 \t \"quoted\" back\\slash line\nbreak".split(" ")


def text(rng, n):
    return " ".join(rng.choice(WORDS) for _ in range(n))


def rows_of(rng, n):
    """Texts, chats and ids: nulls, empty lists, null members, and every so often the same value again."""
    rows = []
    for i in range(n):
        body = None if i % 7 == 3 else "" if i % 11 == 5 else rows[-2][0] if i % 6 == 4 else text(rng, rng.randint(1, 12))
        chat = None if i % 9 == 2 else [
            {"role": ["user", "assistant"][j % 2], "content": None if (i + j) % 10 == 9 else text(rng, 3), "weight": rng.randint(-5, 5)}
            for j in range(i % 5)
        ]  # fmt: skip
        ids = None if i % 13 == 12 else [rng.randint(0, 70000) if i % 2 else 7 for _ in range(i % 8 * (i % 3))]
        rows.append([body, chat, ids])
    return rows


def write(name, rows, fields, **kw):
    schema = pa.schema(fields)
    columns = [pa.array([row[i] for row in rows], type=f.type) for i, f in enumerate(schema)]
    pq.write_table(pa.table(columns, schema=schema), name + ".parquet", store_schema=False, write_statistics=False, **kw)


def record(name, rows):
    with open(name + ".jsonl", "w") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    rng = random.Random(1)
    message = pa.struct([("role", pa.string()), ("content", pa.string()), ("weight", pa.int32())])
    fields = [pa.field("text", pa.string()), pa.field("messages", pa.list_(message)), pa.field("input_ids", pa.list_(pa.int32()))]
    small = dict(row_group_size=17, data_page_size=100, write_batch_size=5)

    rows = rows_of(rng, 36)
    record("base", rows)
    for codec in ["none", "snappy", "gzip", "zstd"]:
        for version in ["1.0", "2.0"]:
            for dictionary in [False, True]:
                name = f"base_{codec}_v{version[0]}_{'dict' if dictionary else 'plain'}"
                write(name, rows, fields, compression=codec, data_page_version=version, use_dictionary=dictionary,
                      write_page_checksum=dictionary, **small)  # fmt: skip

    # Encodings by difference; enough values for several blocks.
    rows = [[text(rng, i % 5) + "the same end" if i % 9 else None, rng.randint(-(2**40), 2**40) if i % 4 else i] for i in range(300)]
    record("delta", rows)
    fields = [pa.field("text", pa.string()), pa.field("n", pa.int64())]
    for strings in ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]:
        for version in ["1.0", "2.0"]:
            write(f"delta_{strings.split('_')[1].lower()}_v{version[0]}", rows, fields, compression="zstd", use_dictionary=False, data_page_version=version,
                  column_encoding={"text": strings, "n": "DELTA_BINARY_PACKED"}, row_group_size=200)  # fmt: skip

    # A dictionary that grows too large, so that the pages after it are plain; and pages larger than a header's first read.
    rows = [[f"{i:05d}" * 30] for i in range(80)]
    record("fallback", rows)
    write("fallback", rows, [pa.field("text", pa.string())], compression="zstd", dictionary_pagesize_limit=4000, data_page_size=2000, write_batch_size=10)

    # Other types, nested lists, required fields.
    fields = [
        pa.field("bool", pa.bool_()), pa.field("i8", pa.int8()), pa.field("u32", pa.uint32()), pa.field("u64", pa.uint64()),
        pa.field("double", pa.float64()), pa.field("float", pa.float32()), pa.field("large", pa.large_string(), nullable=False),
        pa.field("binary", pa.binary()), pa.field("nothing", pa.null()), pa.field("nested", pa.list_(pa.list_(pa.int64()))),
        pa.field("tree", pa.struct([("name", pa.string()), ("tags", pa.list_(pa.struct([("t", pa.list_(pa.string())), ("n", pa.int16())])))])),
        pa.field("sure", pa.list_(pa.field("element", pa.int32(), nullable=False)), nullable=False),
    ]  # fmt: skip
    rows = [
        [True, -5, 4294967295, 18446744073709551615, 0.5, 0.25, "a", "b", None, [[1, 2], [], None, [None]], {"name": "x", "tags": [{"t": ["a", None], "n": 1}, None]}, [1]],
        [None] * 6 + ["", None, None, None, None, []],
        [False, 127, 0, 0, -1.5, -1024.5, "\x01\x7f\b\f\r", "é", None, [], {"name": None, "tags": []}, [3, 4, 5]],
        [True, 0, 1, 1, 1e300, 0.125, "z", "", None, [[]], {"name": "", "tags": [{"t": None, "n": None}, {"t": [], "n": -3}]}, []],
    ]
    record("types", rows)
    for version in ["1.0", "2.0"]:
        plain = [[v.encode() if isinstance(v, str) and i == 7 else v for i, v in enumerate(row)] for row in rows]
        write(f"types_v{version[0]}", plain, fields, compression="none", data_page_version=version)

    # What is not read, and what holds nothing.
    one = [["x"]]
    for codec in ["brotli", "lz4"]:
        write(f"no_{codec}", one, [pa.field("text", pa.string())], compression=codec)
    write("no_types", [[[("k", "v")], 5, b"\xff", [1.0]]], [pa.field("map", pa.map_(pa.string(), pa.string())), pa.field("when", pa.timestamp("ns")),
          pa.field("bytes", pa.binary()), pa.field("floats", pa.list_(pa.float16()))], compression="none")  # fmt: skip
    write("no_rows", [], [pa.field("text", pa.string())], compression="none")
    write("no_text", [[1, "y"]], [pa.field("id", pa.int32()), pa.field("body", pa.string())], compression="none")


if __name__ == "__main__":
    main()
