"""Writes tokenizers/testdata/reference_splits.json: how the reference cuts texts with pre-tokenizers of many settings and patterns, as one digest for
each pre-tokenizer.

    /tmp/hf/bin/python conformance/tokenizers/splits.py
"""

import hashlib
import json
import subprocess

import tokenizers
from tokenizers import Regex, pre_tokenizers

from compare import PATTERNS

LINES = 1500
STEP = 3  # of these, every third
LONGEST = 300  # bytes of a text: for longer ones the reference runs out of retries with some patterns
TEXTS = [
    "1234567 12345678 123456789 x1234567.89",
    "abc\nabc\r\n\n abc \n",
    "'S'T'RE'll'D 'x 'ſ 'ST",
    "aaaaaa aaaa baaa abab aab ac abc",
    "G5 ß Straße İstanbul ſtop K k 中文かな한국",
    "x¼²a a² _b‿c １２ ٣٤ Ⅻ",
    "a/b//\n/ c-d_e.f@g.h [x](y) {z}",
    "ＡＢc ǅA aǅ ʰA Aʰ a\u0301B A\u0301b \u0301a \u0301A",
    "aab aabb abbbc -- == // ...  \t\t ßẞ ſs sſ STRASSE ﬀ ﬁ ﬂ ﬅ ﬆ ff fi fl st xß Ⓐⓑ ͅ ª ²",
    "BigWordsInCamelCase's HTTPServer'LL aB'x",
    "\u0085\u00a0\u2028\u3000\u200b.",
]
# Between them these use what the engine knows, in the ways in which Oniguruma differs from other engines.
REGEXES = [
    "", " ", "^", "$", r"\A.", r".\z", r".\Z", r"\b", r"\B", r"(?!^)", r"\s+$", r"^ ", r"[^\n]*\n?",
    r"a|", r"(a|b|)c", r"(?:ab|a)*?b", r"a??b", r"(?:a?){3}", r"(?:(?=a)a|b)+c", r"x+y|x", r"(?>a|ab)c", r"a++ab", r"a?+b", r"(?:ab){1,2}+",
    r"a{2}{2}", r"a{3}+", r"a{,3}", r"a{2,}", r"a{2,}?", r"a{0,2}?b", r"[a-c]{2,3}+", r"{", r"}", r"a{x}", r".+?\n", r"(?m:.)+",
    r"(?<!\w)a", r"(?<=[a-z])\B.", r"(?<=ab)c", r"(?<!\n)^", r"/(?=[ \w])", r"(?=\w)[^\s]+",
    r"\d{1,3}(?=(?:\d{3})*(?!\d))|\D+", r"\d{1,3}(?=(?:\d{3})*\b)", r"\A\p{Nd}{1,2}(?=\p{Nd}{3}+\z)",
    r"\w+", r"\W+", r"[\w]+", r"[\W]+", r"[^\Wx]+", r"\p{Word}+", r"[\w-]+", r"[a-c-e]+", r"[a\-z]+", r"[-y]+", r"\h+", r"\H+", r"\S\s", r"[\s\S]",
    r"\p{Han}+|\p{^L}", r"\P{L}+", r"\p{Lu}|\p{Greek}", r"\p{Letter}+", r"[^\s[.,]]+", r"[a-w&&[^c-g]]+", r"[[:digit:][:space:]]+", r"[[:^space:]]+",
    r"(?i:'s|'t|'re)", r"(?i:[sdmt]|ll|ve|re)", r"(?i:[a-f]+)", r"(?i:k)", r"(?i:a(?-i:b)c)", r"a(?i)b|c", r"(?i:x\w)",
    r"\G\d", r"\G", r"\Ga|b", r"\A\p{Nd}{3}|\G\p{Nd}{3}", r"(?:(?:\Ga|a)+b|a)", r"(?=\Ga|.b)\w", r"(?!\G)a",
    r"([-=/.,:!?' a-z])\1*", r"([a-z])\1", r"(\p{L})\1+?x?", r"(?:([ab])\1{1,2}|a)c?", r"((\s))\1?",
    r"[[:alpha:]]+", r"[[:^alpha:]]+", r"[[:alnum:]_]+", r"[[:lower:]]+|[[:upper:]]+", r"[[:punct:]]+", r"\p{Punct}+", r"[[:graph:]]+", r"[[:^print:]]+",
    r"[[:blank:]]+|[[:cntrl:]]+", r"[[:xdigit:]]+", r"[[:ascii:]]+", r"\p{Alpha}+|\p{Blank}", r"\p{Lower}+|\p{^Graph}+",
    r"(?i:ss|k)", r"(?i:xss|st)", r"(?i:fif|fl)",
    r"\x41|\x{e9}|\u4e2d", r"\t|\n|\r|\.|\/|\-|\\",
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    *PATTERNS.values(),
]
BEHAVIORS = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]


def parts():
    p = pre_tokenizers
    for regex in REGEXES:
        yield p.Split(Regex(regex), "isolated", False)
    for pattern in [Regex(r"\s"), Regex(r"\s*"), Regex(r"\d+\s?"), " ", "ab", ""]:
        for behavior in BEHAVIORS:
            for invert in (False, True):
                yield p.Split(pattern, behavior, invert)
    for behavior in BEHAVIORS:
        yield p.Punctuation(behavior)
    yield from [p.Digits(True), p.Digits(False), p.Whitespace(), p.WhitespaceSplit(), p.CharDelimiterSplit("e"), p.CharDelimiterSplit("中")]
    yield from [p.UnicodeScripts(), p.FixedLength(1), p.FixedLength(3), p.FixedLength(), p.Sequence([p.UnicodeScripts(), p.FixedLength(2)])]
    yield p.Sequence([p.WhitespaceSplit(), p.Punctuation(), p.Digits(True)])
    yield p.Sequence([p.Digits(False), p.ByteLevel(add_prefix_space=True, use_regex=True), p.Split("Ġ", "merged_with_next")])
    yield p.Sequence([p.Split(Regex(r"\p{N}{1,3}"), "isolated"), p.Sequence([p.ByteLevel(add_prefix_space=False, use_regex=False)])])


def main():
    lines = subprocess.check_output(["go", "run", "./conformance/tokenizers/lines", "-n", str(LINES)]).decode().strip("\n").split("\n")
    texts = TEXTS + [t for t in (json.loads(line)["text"] for line in lines[::STEP]) if len(t.encode()) <= LONGEST]
    recorded = []
    for part in parts():
        h = hashlib.sha256()
        for text in texts:
            for word, (start, end) in part.pre_tokenize_str(text):
                h.update(f"{word}\0{start} {end}\0".encode())
            h.update(b"\1")
        recorded.append({"pre_tokenizer": json.loads(part.__getstate__()), "digest": h.hexdigest()[:16]})
    with open("tokenizers/testdata/reference_splits.json", "w") as f:
        head = {"reference": tokenizers.__version__, "lines": LINES, "step": STEP, "longest": LONGEST, "texts": TEXTS}
        rows = ",\n".join(json.dumps(r, ensure_ascii=False) for r in recorded)
        f.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "parts": [\n' + rows + "\n]}\n")


if __name__ == "__main__":
    main()
