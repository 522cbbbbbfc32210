"""Writes the tokenizers and the golden answers of this folder.

Every file comes from the tokenizers library itself: the small tokenizers are trained here on the text below, and the
answers are what the library makes of the documents below. Run it in a virtual environment:

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3 && venv/bin/python generate.py

Some of the library's trainers break ties at random, so a tokenizer that is there already is kept and only asked again;
delete its file to have it trained anew.
"""
import json
import os
import random
import struct

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

assert tokenizers.__version__ == "0.23.3"
HERE = os.path.dirname(os.path.abspath(__file__))

# --- text to train on, written for this file ------------------------------------------------------------------------
TRAINING = """
The harbour was quiet in the morning. Two boats came back before the rain, and the people who waited for them on the
pier counted the boxes: 12, 47, then 1,305 in the whole week. "That's more than we've had since 2019," she said; "I'm
not sure we'll need all of it." Nobody answered. The gulls, which don't know about numbers, had already started.
He didn't look up from the net that he'd been mending. It wasn't the first time, and it would not be the last time.
Das Wasser stand höher als gewöhnlich, und die Straße zum Hafen war naß. Über den Dächern hing grauer Nebel.
Les élèves avaient déjà compris la leçon; l'été, c'était la saison où tout le monde allait à la plage.
Москва просыпается рано, и первые поезда уже идут. На улице холодно, но снега ещё нет.
Η θάλασσα ήταν ήρεμη και ο ουρανός γαλανός. Οι ψαράδες γύρισαν νωρίς.
كان الصباح هادئا والبحر ساكنا. وصلت السفن قبل المطر.
सुबह का समय था और समुद्र शांत था। नावें बारिश से पहले लौट आईं।
早晨的港口很安静。两条船在下雨之前回来了,人们在码头上数着箱子。
朝の港は静かだった。二隻の船が雨の前に戻ってきて、人々は箱を数えていた。
아침의 항구는 조용했다. 두 척의 배가 비가 오기 전에 돌아왔다.
def count(boxes, limit=None):
    total = 0
    for box in boxes:
        if limit is not None and total >= limit:
            break
        total += box.size  # the size, not the weight
    return {"total": total, "limit": limit}

	for (int i = 0; i < n; i++) { sum[i] += x[i] * y[i]; }
The boats, the nets, the boxes and the pier: all of them belong to the harbour. The rain came in the afternoon.
"""


def documents():
    r = random.Random(20)
    docs = [
        "", " ", "a", "\n", "The boats came back.", "  The  harbour\n\n\n was\t quiet \r\n in the morning   ",
        "I'm sure that's what we'VE said, they'll DON'T 's 'S '\u017f x'd",
        "total += box.size  # 12,305 in 2019\n\t\tif (a<b) { c[i]++; }\n        return None\n",
        "١٢٣ ४५ Ⅷ ½ ² 1234567890", "Straße, NAÏVE, İstanbul, ΌΣΟΣ, ǅ, ﬁne ﬀ ™ Å Ω ㎏ ｆｕｌｌ ㈱",
        "e\u0301te\u0301 a\u0323\u0307 a\u0307\u0323 \u0344 \u1100\u1161\u11a8 \uac00\u11a8 \u0300start",
        "早晨的港口,人々は箱を。カタカナー ｶﾅ 항구는 조용했다 สวัสดี नमस्ते שלום مرحبا",
        "👩‍👩‍👧 🏳️‍🌈 👍🏽 🇩🇪🇫🇷 ☕️ \U00020000 \U0001f600x", "a\u00a0b\u3000c\u2003d\u200be\u200df\ufeffg\u2028h\u0085i\u1680j",
        "\x00\x01\x02\x1b\x7f\x80\x9f\ufffd\ufffe\ue000\U000e0001\U0010ffff", "\r\u0301\n\u0301 \u0600a \u0600 e\u0301\u0323",
        "<s>The</s> <unk><pad> [CLS] rain [SEP] <|begin|>x<|end|> <mask>  ", "▁The▁boats ▁▁ ▁", "<0x41><0xE2>",
        "tokENIZers  FOO_bar __init__ a.b.c http://x.y/z?q=1#f user@example.com --- ... !!! “quoted” — «x»",
        " " * 70, "ha" * 140, "\n" * 9 + "x" + "\t" * 9, "é" * 40, "ab c" * 90, "x" * 30 + "\u4e00" * 30 + "0" * 30,
    ]
    blocks = [(0x20, 0x7e)] * 5 + [(0xa0, 0x24f), (0x250, 0x3ff), (0x400, 0x52f), (0x590, 0x6ff), (0x900, 0xdff),
              (0xe00, 0x13ff), (0x1e00, 0x206f), (0x2070, 0x2bff), (0x3000, 0x33ff), (0x4e00, 0x4e80), (0xac00, 0xac80),
              (0x1100, 0x11ff), (0xf900, 0xffef), (0x10000, 0x1ffff), (0, 0x10ffff)]
    glue = [" ", "  ", "\n", "'s", " '", "\u0301", "\u0323", "1", "23", "é", "▁", "<s>", "</s>", "<unk>", "<mask>",
            "\t", "\r\n", "\u200d", ".", "the", "The", " boats", "naïve", "港"]
    for _ in range(26):
        s = ""
        for _ in range(r.randint(2, 30)):
            lo, hi = r.choice(blocks)
            c = r.randint(lo, hi)
            s += chr(c) if r.random() < 0.5 and not 0xD800 <= c < 0xE000 else r.choice(glue)
        docs.append(s)
    return docs


DOCS = documents()


def write(name, value):
    path = os.path.join(HERE, name)
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        json.dump(value, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    print(name, os.path.getsize(path))


def answer(t, text):
    """[ids, before, after, decoded, decoded without special tokens]; null where the library refuses."""
    try:
        ids = t.encode(text, add_special_tokens=False).ids
        special = t.encode(text, add_special_tokens=True).ids
    except Exception:
        return None
    n = len(special) - len(ids)
    k = next(k for k in range(n + 1) if special[k:k + len(ids)] == ids)
    return [ids, special[:k], special[k + len(ids):], t.decode(special, skip_special_tokens=False),
            t.decode(special, skip_special_tokens=True)]


TOKENIZERS = {}


def pipeline(build):
    TOKENIZERS[build.__name__] = build
    return build


def bpe(size, model=None, alphabet=None, special=(), **kw):
    t = Tokenizer(model or models.BPE())
    for name, value in kw.items():
        setattr(t, name, value)
    t.train_from_iterator([TRAINING] * 2, trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False,
        initial_alphabet=alphabet if alphabet is not None else pre_tokenizers.ByteLevel.alphabet()))
    return t


def byte_tokens():
    return ["<0x%02X>" % b for b in range(256)]


def edit(t, change):
    """The tokenizer after a change of its JSON."""
    d = json.loads(t.to_str())
    change(d)
    return Tokenizer.from_str(json.dumps(d))


SPLIT_LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPLIT_QWEN = SPLIT_LLAMA3.replace("{1,3}", "")
SPLIT_O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
               r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
               r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPLIT_HAN = (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
             r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPLIT_DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
                  r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^" "\r\n" r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+["
                  "\r\n" r"]*|\s*[" "\r\n" r"]+|\s+(?!\S)|\s+"]


def byte_level_split(*patterns):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


@pipeline
def gpt2():
    t = bpe(700, special=["<|begin|>", "<|end|>"], pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False),
            decoder=decoders.ByteLevel())
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


@pipeline
def roberta():
    t = bpe(500, special=["<s>", "<pad>", "</s>", "<unk>"], pre_tokenizer=pre_tokenizers.ByteLevel(),
            decoder=decoders.ByteLevel())
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return t


@pipeline
def smollm():
    return bpe(500, special=["<|begin|>", "<|end|>"], decoder=decoders.ByteLevel(), pre_tokenizer=pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]))


@pipeline
def llama3():
    t = bpe(700, pre_tokenizer=byte_level_split(SPLIT_LLAMA3), decoder=decoders.ByteLevel())
    t.add_special_tokens(["<|begin|>", "<|end|>"])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        "<|begin|> $A", special_tokens=[("<|begin|>", t.token_to_id("<|begin|>"))])])

    def change(d):  # words that merging alone would not give
        m = d["model"]
        m["ignore_merges"] = True
        for word in ("Ġharbour", "Ġboats", "abcdef", "港口"):
            m["vocab"].setdefault(word, len(m["vocab"]) + 2)
    return edit(t, change)


@pipeline
def qwen():
    t = bpe(600, pre_tokenizer=byte_level_split(SPLIT_QWEN), normalizer=normalizers.NFC(), decoder=decoders.ByteLevel())
    t.add_special_tokens(["<|begin|>", "<|end|>"])
    t.add_tokens([AddedToken("<tool>", normalized=False)])
    return edit(t, lambda d: d["model"].update(continuing_subword_prefix="", end_of_word_suffix=""))


@pipeline
def o200k():
    return bpe(500, pre_tokenizer=byte_level_split(SPLIT_O200K), decoder=decoders.ByteLevel())


@pipeline
def han():
    return bpe(450, pre_tokenizer=byte_level_split(SPLIT_HAN), decoder=decoders.ByteLevel())


@pipeline
def deepseek():
    t = bpe(500, pre_tokenizer=byte_level_split(*SPLIT_DEEPSEEK), normalizer=normalizers.Sequence([]),
            decoder=decoders.ByteLevel())
    t.add_special_tokens(["<｜begin▁of▁sentence｜>"])
    t.add_tokens(["<｜User｜>", "<｜Assistant｜>"])
    return t


@pipeline
def nfkc_bytes():
    return bpe(450, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False), normalizer=normalizers.NFKC(),
               decoder=decoders.ByteLevel())


def sentencepiece(size, **kw):
    return bpe(size, models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True), alphabet=[],
               special=["<unk>", "<s>", "</s>"] + byte_tokens(), **kw)


@pipeline
def llama2():
    t = sentencepiece(1100, pre_tokenizer=pre_tokenizers.Metaspace())
    t.pre_tokenizer = None
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", 1)])
    return edit(t, lambda d: d.update(added_tokens=[a for a in d["added_tokens"] if "0x" not in a["content"]]))


@pipeline
def mistral():
    t = sentencepiece(900, pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first"))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return edit(t, lambda d: d.update(added_tokens=[a for a in d["added_tokens"] if "0x" not in a["content"]]))


@pipeline
def gemma():
    t = sentencepiece(1000, normalizer=normalizers.Replace(" ", "▁"),
                      pre_tokenizer=pre_tokenizers.Split(" ", "merged_with_previous"))
    t.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("▁▁", normalized=False), AddedToken("<b>", normalized=False)])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    return edit(t, lambda d: d.update(added_tokens=[a for a in d["added_tokens"] if "0x" not in a["content"]]))


@pipeline
def bpe_suffix():
    t = bpe(400, models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"), alphabet=[], special=["<unk>"],
            pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.BPEDecoder())
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    return edit(t, lambda d: d["model"].update(end_of_word_suffix="</w>"))


@pipeline
def bpe_prefix():
    t = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=False))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator([TRAINING] * 2, trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>"], continuing_subword_prefix="##", show_progress=False))
    t.decoder = decoders.WordPiece()
    return t


@pipeline
def bpe_drops():
    """No unknown token: characters outside of the vocabulary vanish, and their neighbours may merge."""
    return bpe(300, alphabet=[], pre_tokenizer=pre_tokenizers.WhitespaceSplit())


def unigram(size, **kw):
    t = Tokenizer(models.Unigram())
    for name, value in kw.items():
        setattr(t, name, value)
    t.train_from_iterator([TRAINING], trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    return t


@pipeline
def unigram_metaspace():
    t = unigram(500, pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace(), normalizer=normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]))
    t.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return t


def charsmap(table):
    """A SentencePiece character map: a double array built by first fit, and the texts it points to."""
    texts, place = b"", {}
    for key, value in table.items():
        place[key.encode()] = len(texts)
        texts += value.encode() + b"\0"
    units, used = {0: 0}, {0}

    def build(at, prefix, depth):
        nxt = sorted({k[depth] for k in prefix if len(k) > depth})
        leaf = [k for k in prefix if len(k) == depth]
        labels = ([0] if leaf else []) + nxt
        base = next(b for b in range(1, 1 << 20) if all((at ^ b ^ c) not in used for c in labels))
        units[at] = units.get(at, 0) | base << 10 | (1 << 8 if leaf else 0)
        used.update(at ^ base ^ c for c in labels)
        if leaf:
            units[at ^ base] = 1 << 31 | place[leaf[0]]
        for c in nxt:
            units[at ^ base ^ c] = c
        for c in nxt:
            build(at ^ base ^ c, [k for k in prefix if len(k) > depth and k[depth] == c], depth + 1)

    build(0, sorted(place), 0)
    array = [units.get(i, 0) for i in range(max(units) + 256)]
    return struct.pack("<I", 4 * len(array)) + struct.pack("<%dI" % len(array), *array) + texts


@pipeline
def unigram_precompiled():
    table = {"ﬁ": "fi", "\r": " ", "\n": " ", "\t": " ", "\u3000": " ", "™": "TM", "½": "1/2", "e\u0301": "é",
             "a\u0323": "ạ", "Å": "Å", "\u200b": "", "\u00a0": " ", "ｆ": "f", "ｕ": "u", "ｌ": "l", "\u0600": "?"}
    t = unigram(400, pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first"), decoder=decoders.Metaspace())
    t.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap(table)), normalizers.Strip(False, True)])
    return t


@pipeline
def unigram_bytes():
    t = unigram(400, pre_tokenizer=pre_tokenizers.Metaspace(split=False))
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])

    def change(d):
        d["model"]["byte_fallback"] = True
        d["model"]["vocab"] += [[b, -20.0] for b in byte_tokens()]
    return edit(t, change)


@pipeline
def bert():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator([TRAINING], trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


@pipeline
def word_level():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator([TRAINING], trainers.WordLevelTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False))
    return t


@pipeline
def added_tokens():
    t = bpe(300, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False), decoder=decoders.ByteLevel(),
            normalizer=normalizers.Sequence([normalizers.Lowercase(), normalizers.NFC()]))
    flags = [dict(single_word=i & 1 > 0, lstrip=i & 2 > 0, rstrip=i & 4 > 0, normalized=i & 8 > 0) for i in range(16)]
    t.add_tokens([AddedToken("Tok%d" % i, **f) for i, f in enumerate(flags)])
    t.add_special_tokens([AddedToken("<S%d>" % i, **f) for i, f in enumerate(flags)])
    t.add_tokens([AddedToken("the", single_word=True, normalized=False), AddedToken("the bo", normalized=False),
                  AddedToken("CAFÉ", normalized=True), AddedToken("  ", normalized=False), AddedToken("\n", rstrip=True),
                  AddedToken("a" * 40, normalized=False)])
    return t


@pipeline
def templates():
    """Two templates in a row: the second sees two sequences and takes the form for pairs."""
    t = bpe(270, pre_tokenizer=pre_tokenizers.ByteLevel(), special=["<s>", "</s>", "<x>"])
    t.post_processor = processors.Sequence([
        processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)]),
        processors.TemplateProcessing("$A </s>", "$A $B:1 </s>:1 <x>", [("</s>", 1), ("<x>", 2)])])
    return t


def added_documents():
    r = random.Random(4)
    parts = ["Tok%d" % i for i in range(16)] + ["<S%d>" % i for i in range(16)] + [
        "the", "the boats", "cafe\u0301", "café", "CAFÉ", " ", "  ", "\t", "\n", "\n \n", "\u00a0", "x", "_", ".", "\u0301", "aaaa" * 11]
    return ["".join(r.choice(parts) for _ in range(r.randint(1, 14))) for _ in range(120)]


# --- single components: a model that shows where its words end ------------------------------------------------------
END = "\u241e"


def component(normalizer=None, pre_tokenizer=None):
    t = Tokenizer(models.BPE({b: i for i, b in enumerate(byte_tokens())}, [], byte_fallback=True, end_of_word_suffix=END))
    if normalizer:
        t.normalizer = normalizer
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    return t


def components():
    n, p = normalizers, pre_tokenizers
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    out = [(x, None) for x in [
        n.NFC(), n.NFD(), n.NFKC(), n.NFKD(), n.Lowercase(), n.StripAccents(), n.Nmt(), n.ByteLevel(), n.Prepend("x y"),
        n.Strip(True, False), n.Strip(False, True), n.Strip(True, True), n.Replace(" ", ""), n.Replace("", "-"),
        n.Replace(Regex(r"\s+"), " "), n.Replace(Regex("x*"), "-"), n.Replace("ab", "abab"),
        n.BertNormalizer(True, True, None, True), n.BertNormalizer(False, True, True, False),
        n.BertNormalizer(True, False, False, False),
        n.Sequence([n.NFKD(), n.StripAccents(), n.Sequence([n.Lowercase(), n.Prepend("▁")])])]]
    for b in behaviors:
        for invert in (False, True):
            out += [(None, p.Split(" ", b, invert)), (None, p.Split(Regex(r"\w+"), b, invert)), (None, p.Split(Regex(r"[a-z]*"), b, invert))]
        out.append((None, p.Punctuation(b)))
    out += [(None, x) for x in [
        p.Digits(True), p.Digits(False), p.Whitespace(), p.WhitespaceSplit(), p.BertPreTokenizer(), p.UnicodeScripts(),
        p.CharDelimiterSplit("a"), p.FixedLength(3), p.ByteLevel(True, False), p.ByteLevel(True, True), p.ByteLevel(False, True),
        p.Sequence([p.ByteLevel(False, True), p.Split("Ġ", "isolated")]),
        p.Metaspace(), p.Metaspace(split=False), p.Metaspace(prepend_scheme="first"), p.Metaspace(prepend_scheme="never"),
        p.Metaspace("_", "first", False), p.Sequence([p.Digits(True), p.Metaspace(prepend_scheme="first")]),
        p.Sequence([p.Metaspace(), p.Punctuation(), p.Sequence([p.Digits(True)])])]]
    first = p.Metaspace(prepend_scheme="first")
    out += [(x, first) for x in [n.Strip(True, True), n.Prepend("ab"), n.Replace(Regex("^."), ""), n.Replace(Regex("^.."), "z"),
                                 n.Replace(" ", ""), n.StripAccents(), n.Nmt(), n.NFKC(), n.NFD(), n.ByteLevel(),
                                 n.BertNormalizer(True, True, None, True)]]
    write("components.json", [
        {"normalizer": json.loads(t.to_str())["normalizer"], "pre_tokenizer": json.loads(t.to_str())["pre_tokenizer"],
         "words": [bytes(t.encode(d).ids).decode().replace(END, "|") for d in COMPONENT_DOCS]}
        for t in (component(*c) for c in out)])


COMPONENT_DOCS = [d for d in DOCS if len(d) < 120 and "|" not in d]

PATTERNS = [
    SPLIT_LLAMA3, SPLIT_QWEN, SPLIT_O200K, SPLIT_HAN, *SPLIT_DEEPSEEK, r"", r"a|ab|abc", r"(?:a|ab)(?:c|bcd)?", r"a*?b", r"a+?",
    r"[a-z]{2,3}", r"[a-z]{2,3}?", r"[a-z]{2}", r"[a-z]{,2}x", r"(?:ab){1,2}", r"(ab|c)+", r"(?:a?)*x", r"(?:a|b*)*c", r"a++b", r"(?>a+)ab|b",
    r"\s+$", r"^\s*", r"^", r"$", r"\A.", r".\z", r".\Z", r"\b\w", r"\w\b", r"\B.", r"(?<=a)b", r"(?<!a)b", r"(?<=a|he )b", r"(?<![a-z ])\w",
    r"x(?=y|\d)", r"x(?!\d)", r"(?=.*b)a", r"(?i)the", r"(?i:T)he", r"(?i:[a-c])+", r"(?i:ſ|k|å)", r"a(?i)b|c", r"(?-i:A)b",
    r"(?m).+", r".+", r"(?m:a.)b", r"(?x) a b # comment", r"[^a]", r"[^\s\p{L}]", r"[\p{L}&&[^a-m]]+", r"[a-z&&[^aeiou]&&[a-p]]+", r"[[a-c][x-z]]+",
    r"[[:alpha:]]+", r"[[:^alpha:]]+", r"[[:punct:]]+", r"[[:space:]]+", r"[[:upper:][:digit:]]+", r"[[:word:]]+", r"[[:graph:]]+", r"[[:cntrl:]]+",
    r"[]a]+", r"[^]a]+", r"[a-]+", r"[-a]+", r"[\]\-\\]+", r"[\w.]+@[\w.]+", r"\d+", r"\D+", r"\h+", r"\H+", r"\S+", r"\W+", r"\R", r"\N+", r"\O",
    r"\x41|\x{263A}|\u00e9", r"\t|\n|\r|\f|\v|\a|\e", r"\.", r"a{2", r"a{,}", r"\p{Lu}\p{Ll}+", r"\p{^L}+", r"\P{L}+", r"\p{Han}+", r"\p{Greek}+|\p{Cyrillic}+",
    r"\p{Letter}+", r"\p{uppercase_letter}+", r"\p{Alphabetic}+", r"\p{White_Space}+", r"\p{Emoji}+", r"\p{Any}", r"\p{Nd}+|\p{Nl}+|\p{No}+",
    r"\p{P}+", r"\p{S}+", r"\p{Z}+", r"\p{C}+", r"\p{M}+", r"\p{Lo}+", r"(?<name>a)b", r"(?#c)a", r"'(?:s|t)", r"(?:)", r"(a|b|)+c", r"(?:(?:a{1,2}){1,2}){1,2}",
    r"(?!a)[a-z]+", r"(?:(?!he).)+", r"[ \t]*\n", r"[一-龥]+", r"\p{Hiragana}+|\p{Katakana}+|\p{Hangul}+", r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+",
]


def patterns():
    out = []
    texts = [d for d in DOCS if len(d) < 100] + [
        "aab aaab abcd ababc ac bc abab", "xy x1 xz aXb The THE tHe", "a\nb\n\nc\n", "a\nb", "STRASSE Straße straße ss", "K\u212a s\u017f å\u212b",
        "a{2 a{,} a]b-c\\d a@b.c", "he bab he b"]
    for pattern in PATTERNS:
        try:
            split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
        except Exception as e:
            print("refused", pattern, e)
            continue
        out.append({"pattern": pattern, "matches": ["\n".join(m for m, _ in split.pre_tokenize_str(t)) for t in texts]})
    write("patterns.json", {"texts": texts, "patterns": out})


def decoding():
    """Every decoder over tokens that are hard for some decoder."""
    tokens = ["a", "▁a", "▁", "Ġa", "Ġ", "Ã©", "Ã", "©", "ðŁĺ", "Ģ", "é", "<0x41>", "<0xE2>", "<0x82>", "<0xAC>", "<0xff>", "<0xGG>", "##b", "b</w>",
              "</w>", " ", "  x ", ".", "!", " '", "n't", "do not", "|", "<pad>", "xx", "x▁y▁", "", "ĠÐ¿ÑĢÐ¸", "â", "ĉĊ", "ð", "ðŁ", "í", "ł", "Ł", "Į", "ô", "õ"]
    d = decoders
    r = random.Random(3)
    lists = [[i] for i in range(len(tokens))] + [[r.randrange(len(tokens)) for _ in range(r.randint(2, 12))] for _ in range(60)]
    out = []
    for dec in [None, d.ByteLevel(), d.ByteFallback(), d.Fuse(), d.Replace("x", "yy"), d.Replace(Regex("[ax]+"), ""), d.Metaspace(),
                d.Metaspace("▁", "never"), d.Metaspace("▁", "first"), d.Strip("x", 1, 0), d.Strip("x", 2, 0), d.WordPiece(),
                d.WordPiece("##", False), d.BPEDecoder(), d.CTC(), d.CTC("x", "|", False),
                d.Sequence([d.Replace("▁", " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 1)])]:
        t = Tokenizer(models.WordLevel({tok: i for i, tok in enumerate(tokens)}, unk_token="a"))
        if dec:
            t.decoder = dec
        texts = []
        for ids in lists:
            try:
                texts.append([ids, t.decode(ids)])
            except BaseException as e:  # Strip panics where a token is too short for its right end
                assert "slice index" in str(e) or "index out of bounds" in str(e) or "overflow" in str(e), e
        out.append({"decoder": json.loads(t.to_str())["decoder"], "texts": texts})
    write("decoders.json", {"tokens": tokens, "decoders": out})


def main():
    write("documents.json", {"all": DOCS, "components": COMPONENT_DOCS, "added": added_documents()})
    for name, build in TOKENIZERS.items():
        if not os.path.exists(os.path.join(HERE, name + ".tokenizer.json")):
            d = json.loads(build().to_str())
            d.pop("truncation"), d.pop("padding")
            if name == "gpt2":  # the older form of merges
                d["model"]["merges"] = [" ".join(m) for m in d["model"]["merges"]]
            write(name + ".tokenizer.json", d)
        t = Tokenizer.from_file(os.path.join(HERE, name + ".tokenizer.json"))
        docs = added_documents() if name == "added_tokens" else DOCS
        write(name + ".golden.json", {"size": max(t.get_vocab().values()) + 1, "answers": [answer(t, text) for text in docs]})
    components()
    patterns()
    decoding()


if __name__ == "__main__":
    main()
