"""Writes ../unicode.bin: the Unicode tables that make this package agree with Hugging Face's tokenizers.

That library takes its character properties from several sources of different Unicode versions, so nothing here is
read from a Unicode database: every table is the library's own answer, code point by code point.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3 && venv/bin/python unicode.py
"""
import os
import struct
import unicodedata
import zlib

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

assert tokenizers.__version__ == "0.23.3"

CPS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
ALL = "".join(map(chr, CPS))
BAR = "\u1401"  # composes with nothing and is part of no decomposition, so answers cannot touch each other

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split()
PROPERTIES = ("Alphabetic Uppercase Lowercase Ideographic Emoji Extended_Pictographic Emoji_Presentation "
              "Default_Ignorable_Code_Point").split()
SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian
Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi
Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian
Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian
Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene
Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting
Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet
Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi
Wancho Warang_Citi Yezidi Yi Zanabazar_Square""".split()


def ranges_of(offsets):
    """Code point ranges [lo, hi] from character ranges of ALL."""
    out = []
    for a, b in offsets:
        lo, hi = CPS[a], CPS[b - 1]
        if lo < 0xD800 and hi > 0xDFFF:
            out += [(lo, 0xD7FF), (0xE000, hi)]
        else:
            out.append((lo, hi))
    return out


def regex_set(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return ranges_of(o for _, o in split.pre_tokenize_str(ALL))


def kept(pre):
    return ranges_of(o for _, o in pre.pre_tokenize_str(ALL))


def complement(ranges):
    inside = bytearray(0x110000)
    for lo, hi in ranges:
        inside[lo:hi + 1] = b"\1" * (hi + 1 - lo)
    return from_list(c for c in CPS if not inside[c])


def from_list(cps):
    out = []
    for c in cps:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return [tuple(r) for r in out]


def answers(normalizer, prefix=""):
    """What the normalizer makes of prefix + c, for every code point c but BAR."""
    out = {}
    cps = [c for c in CPS if chr(c) != BAR]
    for i in range(0, len(cps), 65536):
        part = cps[i:i + 65536]
        got = normalizer.normalize_str(BAR + BAR.join(prefix + chr(c) for c in part) + BAR).split(BAR)[1:-1]
        assert len(got) == len(part)
        out.update(zip(part, got))
    return out


# --- encoding -------------------------------------------------------------------------------------------------------
blob = bytearray()


def number(n):
    while n >= 0x80:
        blob.append(n & 0x7F | 0x80)
        n >>= 7
    blob.append(n)


def text(s):
    number(len(s))
    blob.extend(s.encode())


def put_set(name, ranges):
    text(name)
    number(len(ranges))
    last = 0
    for lo, hi in ranges:
        number(lo - last)
        number(hi - lo)
        last = hi + 1


def put_map(name, table):
    """table: code point -> list of numbers."""
    text(name)
    number(len(table))
    last = 0
    for c in sorted(table):
        number(c - last)
        last = c
        number(len(table[c]))
        for x in table[c]:
            d = x - c
            number(d * 2 if d >= 0 else -d * 2 - 1)


def main():
    sets = {}
    # Classes of the regular expressions.
    for name in CATEGORIES:
        sets["gc=" + name] = [(0xD800, 0xDFFF)] if name == "Cs" else regex_set(r"\p{%s}+" % name)
    for name in SCRIPTS:
        sets["sc=" + name] = regex_set(r"\p{%s}+" % name)
    for name in PROPERTIES:
        sets["p=" + name] = regex_set(r"\p{%s}+" % name)
    for name in "alnum alpha blank cntrl digit graph lower print punct space upper xdigit word".split():
        sets["posix=" + name] = regex_set("[[:%s:]]+" % name)
    sets["posix=ascii"] = [(0, 127)]
    for name, pattern in (("esc=w", r"\w+"), ("esc=s", r"\s+"), ("esc=d", r"\d+"), ("esc=h", r"\h+")):
        sets[name] = regex_set(pattern)

    # Predicates of the pre-tokenizers.
    sets["white"] = complement(kept(pre_tokenizers.WhitespaceSplit()))
    sets["punctuation"] = complement(kept(pre_tokenizers.Punctuation("removed")))
    runs = [o for _, o in pre_tokenizers.Digits(False).pre_tokenize_str(ALL)]
    sets["numeric"] = ranges_of(runs[1::2])  # runs alternate, and U+0000 is none
    pieces = pre_tokenizers.Whitespace().pre_tokenize_str("".join("a" + c + " " for c in ALL))
    sets["word"] = from_list(CPS[o[0] // 3] for s, o in pieces if len(s) == 2)

    # Normal forms: full decompositions, combining classes, primary composites.
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    nfc = normalizers.NFC()
    hangul = range(0xAC00, 0xD7A4)
    d = {c: s for c, s in answers(nfd).items() if s != chr(c) and c not in hangul}
    k = {c: s for c, s in answers(nfkd).items() if s != d.get(c, chr(c)) and c not in hangul}
    # A mark moves before U+0334 (class 1) if its class is 0 < class < 1, so two probes tell zero from the rest;
    # the value of a class never changes once assigned, hence unicodedata may name it.
    after_240 = answers(nfd, "\u0345")
    before_1 = {c: nfd.normalize_str(BAR + chr(c) + "\u0334")[1] for c in CPS if unicodedata.combining(chr(c))}
    ccc = {}
    for c in CPS:
        n = unicodedata.combining(chr(c))
        if n and c not in d and (before_1[c] == "\u0334" and c != 0x334 or after_240[c][0] == chr(c) and c != 0x345
                                 or c in (0x334, 0x345)):
            ccc[c] = n
    compose = {}
    for c, s in d.items():
        if len(s) < 2 or nfc.normalize_str(s) != chr(c):
            continue
        first = nfc.normalize_str(s[:-1])
        assert len(first) == 1, hex(c)
        compose[c] = [ord(first), ord(s[-1])]

    sets["mark"] = from_list(c for c, s in answers(normalizers.StripAccents()).items() if s == "")
    accents = answers(normalizers.BertNormalizer(False, False, True, False))
    sets["accent"] = from_list(c for c, s in accents.items() if s == "" and c not in d)
    clean = answers(normalizers.BertNormalizer(True, False, False, False))
    sets["control"] = from_list(c for c, s in clean.items() if s == "")
    sets["blank"] = from_list(c for c, s in clean.items() if s == " ")
    lower = {c: s for c, s in answers(normalizers.Lowercase()).items() if s != chr(c)}

    # Grapheme clusters, as far as Precompiled can see them: a map in which every lead byte is a key shows "Y" once
    # for a cluster of two characters and twice for two clusters.
    units = [256 << 10] + [0] * 767
    for b in range(1, 256):
        units[256 + b] = b | 1 << 8 | 768 << 10
    raw = struct.pack("<I", 4 * len(units)) + struct.pack("<%dI" % len(units), *units) + b"Y\0"
    probe = normalizers.Precompiled(raw)

    def clusters(c, before, after):
        return len(probe.normalize_str(before + chr(c) + after))

    sets["extend"] = from_list(c for c in CPS if c and clusters(c, "a", "") == 1)
    sets["breaker"] = from_list(c for c in CPS if c and clusters(c, "", "\u0300") == 2)
    sets["prepend"] = from_list(c for c in CPS if c and clusters(c, "", "a") == 1)

    # Scripts as the pre-tokenizer UnicodeScripts sees them: the classes of "does not split from".
    scripts = pre_tokenizers.UnicodeScripts()

    def together(a, b):
        return len(scripts.pre_tokenize_str(a + b)) == 1

    neutral = {c for c in CPS if together(chr(c), "a") and together(chr(c), "\u4e00")}
    runs = []
    for c in CPS:
        if c in neutral:
            continue
        if runs and runs[-1][1] == c - 1 and together(chr(c - 1), chr(c)):
            runs[-1][1] = c
        else:
            runs.append([c, c])
    groups = []
    for lo, hi in runs:
        for g in groups:
            if together(g[0], chr(lo)):
                g[1].append((lo, hi))
                break
        else:
            groups.append((chr(lo), [(lo, hi)]))
    sets["script any"] = from_list(sorted(neutral))
    for i, (_, ranges) in enumerate(groups):
        sets["script %d" % i] = ranges

    number(len(sets))
    for name in sorted(sets):
        put_set(name, sets[name])
    maps = {
        "nfd": {c: list(map(ord, s)) for c, s in d.items()},
        "nfkd": {c: list(map(ord, s)) for c, s in k.items()},
        "ccc": {c: [n + c] for c, n in ccc.items()},
        "compose": compose,
        "lower": {c: list(map(ord, s)) for c, s in lower.items()},
    }
    number(len(maps))
    for name in sorted(maps):
        put_map(name, maps[name])
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(blob)) + packer.flush()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unicode.bin")
    with open(path, "wb") as f:
        f.write(packed)
    print(len(blob), "bytes, packed", len(packed))
    for name in ("white", "punctuation", "numeric", "word", "mark", "accent", "control", "extend", "breaker", "prepend"):
        print(name, sum(hi - lo + 1 for lo, hi in sets[name]), "code points in", len(sets[name]), "ranges")
    for name in maps:
        print(name, len(maps[name]))
    print(len(groups), "script groups;", len(neutral), "neutral code points")


if __name__ == "__main__":
    main()
