"""Writes tokenizers/unicode_tables.go: what the reference does with each code point, asked of the reference itself.

The reference draws on several Unicode versions at once (its regex engine, its BERT tables, its normalization and Rust's own), so each
component gets the table that component was seen to use. Run with the Hugging Face `tokenizers` package installed:

    python conformance/tokenizers/unicode_tables.py > tokenizers/unicode_tables.go
"""

import unicodedata

import tokenizers
from charsmap import charsmap
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(holds):
    """The maximal ranges of code points for which holds is true."""
    found = []
    for c in CODE_POINTS:
        if holds(chr(c)):
            if found and found[-1][1] == c - 1:
                found[-1][1] = c
            else:
                found.append([c, c])
    return found


def regex_class(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    return ranges(lambda ch: not split.pre_tokenize_str(ch))


def bert(**only):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **only})


def word_class():
    """\\w of the engine that judges single_word: a match beside such a character is refused."""
    tokenizer = Tokenizer(models.WordLevel({"u": 0, "QZQ": 1}, unk_token="u"))
    tokenizer.add_tokens([AddedToken("QZQ", single_word=True, normalized=False)])
    return ranges(lambda ch: 1 not in tokenizer.encode(ch + "QZQ").ids)


def combining_classes():
    """Canonical combining class of each non-starter, found by how NFD orders it beside a mark of every known class."""
    nfd = normalizers.NFD()

    def after(a, b):
        """NFD puts b before a although a was written first."""
        return nfd.normalize_str(a + b) == b + a and a != b

    top = 240
    ladder = {top: "\u0345"}
    for c in CODE_POINTS:
        k = unicodedata.combining(chr(c))
        if k not in ladder and after(ladder[top], chr(c)):
            ladder[k] = chr(c)

    classes = {ord(ladder[top]): top}
    for c in CODE_POINTS:
        ch = chr(c)
        if not after(ladder[top], ch):
            continue
        classes[c] = max([k for k in ladder if not after(ladder[k], ch)], default=0)
        assert classes[c], f"U+{c:04X} sorts below every known class"
    return classes


def print_ranges(name, comment, table):
    print(f"\n// {comment}\nvar {name} = [][2]rune{{")
    for i in range(0, len(table), 6):
        print("\t" + " ".join(f"{{0x{a:X}, 0x{b:X}}}," for a, b in table[i : i + 6]))
    print("}")


def print_mapping(name, comment, table):
    print(f"\n// {comment}\nvar {name} = []mapping{{")
    items = sorted(table.items())
    for i in range(0, len(items), 5):
        row = []
        for c, to in items[i : i + 5]:
            text = "".join(f"\\u{ord(x):04x}" if ord(x) < 0x10000 else f"\\U{ord(x):08x}" for x in to)
            row.append(f'{{0x{c:X}, "{text}"}},')
        print("\t" + " ".join(row))
    print("}")


def changed(normalizer, skip=lambda c: False):
    found = {}
    for c in CODE_POINTS:
        if not skip(c) and (to := normalizer.normalize_str(chr(c))) != chr(c):
            found[c] = to
    return found


def print_rows(name, comment, rows):
    """A table of ranges with a value: first, last, value."""
    print(f"\n// {comment}\nvar {name} = [][3]rune{{")
    runs = []
    for c, k in rows:
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == k:
            runs[-1][1] = c
        else:
            runs.append([c, c, k])
    for i in range(0, len(runs), 5):
        print("\t" + " ".join(f"{{0x{a:X}, 0x{b:X}, {k}}}," for a, b, k in runs[i : i + 5]))
    print("}")


def grapheme_properties():
    """What decides where Precompiled sees grapheme clusters, found with a charsmap that makes each cluster of up to five bytes, and each character of
    longer ones, one Z. A mark of two bytes at the end of a probe makes it visible whether the character before is a cluster of its own."""
    z = normalizers.Precompiled(charsmap({bytes([b]): "Z" for b in range(1, 256)}))
    count = lambda text: len(z.normalize_str(text))
    acute = "\u0301"
    short = lambda ch: ord(ch) < 0x10000  # a longer one is no cluster that can be looked up together with others
    alone = lambda ch: count("a" + ch) == 2 and count(ch + acute) == 1
    properties = {
        "clusterExtends": lambda ch: count("a" + ch) == 1,
        "clusterPrepends": lambda ch: count(ch + "a") == 1,
        "clusterControls": lambda ch: count(ch + acute + acute) == 2,
        "clusterLeads": lambda ch: count(ch + "\u1161" + acute) == 3 and count(ch + "\u11a8" + acute) == 2,
        "clusterVowels": lambda ch: short(ch) and count("\u1100" + ch + acute) == 3 and count("\u1161" + ch + acute) == 3 and alone(ch),
        "clusterTrails": lambda ch: short(ch) and count("\u11a8" + ch + acute) == 3 and alone(ch),
        "clusterPictures": lambda ch: count(ch + "\u200d\u00ae" + acute) == 4,
        "clusterConsonants": lambda ch: count(ch + "\u094d\u0915" + acute) == 4,
        "clusterLinkers": lambda ch: count("\u0915" + ch + "\u0915" + acute) == 4 and count("a" + ch) == 1,
        "clusterLinks": lambda ch: count("\u0915\u094d" + ch + "\u0915" + acute) == 5,
    }
    return {name: ranges(holds) for name, holds in properties.items()}


def main():
    bert_split = pre_tokenizers.BertPreTokenizer()
    space = regex_class(r"\s")
    assert space == ranges(lambda ch: len(bert_split.pre_tokenize_str("a" + ch + "b")) == 2)

    print("// Code generated by conformance/tokenizers/unicode_tables.py; DO NOT EDIT.\n")
    print("package tokenizers\n")
    print(f"// What Hugging Face tokenizers {tokenizers.__version__} was seen to do with each code point.")
    print_ranges("letterRanges", r"\p{L} of the regex engine behind ByteLevel and Split.", regex_class(r"\p{L}"))
    print_ranges("numberRanges", r"\p{N} of the same engine.", regex_class(r"\p{N}"))
    print_ranges("spaceRanges", r"White_Space: \s of the same engine, and what BertPreTokenizer splits at.", space)
    print_ranges("wordRanges", r"\w of the engine that judges single_word.", word_class())
    print_ranges("punctuationRanges", "What BertPreTokenizer isolates.",
                 ranges(lambda ch: len(bert_split.pre_tokenize_str("a" + ch + "b")) == 3))
    clean, accents = bert(clean_text=True), bert(strip_accents=True)
    print_ranges("removedRanges", "What clean_text of BertNormalizer removes.",
                 ranges(lambda ch: clean.normalize_str("a" + ch + "b") == "ab"))
    print_ranges("accentRanges", "What strip_accents of BertNormalizer removes after NFD.",
                 ranges(lambda ch: accents.normalize_str("a" + ch + "b") == "ab"))
    chinese = bert(handle_chinese_chars=True)
    print_ranges("chineseRanges", "What handle_chinese_chars of BertNormalizer sets between spaces.",
                 ranges(lambda ch: len(chinese.normalize_str(ch)) == 3))

    print_rows("combiningRanges", "Canonical combining classes of the non-starters: first, last, class.", sorted(combining_classes().items()))
    hangul = lambda c: 0xAC00 <= c <= 0xD7A3
    print_mapping("decompositions", "NFD of single code points, Hangul syllables left out.", changed(normalizers.NFD(), hangul))
    nfd, nfc, nfkd = normalizers.NFD(), normalizers.NFC(), normalizers.NFKD()
    compatible = {c: to for c, to in changed(nfkd, hangul).items() if nfd.normalize_str(chr(c)) != to}
    print_mapping("compatibleDecompositions", "NFKD of single code points where it is not NFD.", compatible)
    print_ranges("uncomposed", "Code points that NFD changes and NFC does not bring back.",
                 ranges(lambda ch: nfc.normalize_str(ch) != ch))
    marks = normalizers.StripAccents()
    print_ranges("markRanges", "What StripAccents removes.", ranges(lambda ch: marks.normalize_str("a" + ch + "b") == "ab"))
    for name, table in grapheme_properties().items():
        print_ranges(name, "See grapheme_properties of the script that wrote this.", table)
    print_mapping("lowercases", "Lower case of single code points.", changed(normalizers.Lowercase()))


if __name__ == "__main__":
    main()
