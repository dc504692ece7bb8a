"""Writes tokenizers/testdata/reference_maps.json: what the reference says of the characters, words and tokens of an encoding.

    /tmp/hf/bin/python conformance/tokenizers/maps.py
"""

import json

import tokenizers
from tokenizers import Tokenizer

NAMES = ["wordpiece", "bpe_roberta", "unigram"]
PAIRS = [
    ("the théatre [MASK] x", "a b"),
    ("hello  wörld \t\n!", None),
    ("", "ab"),
    ("don't 中文", ""),
    (" 😀 the the", "the 😀 "),
]
PAD = 2  # tokens
PLACES = 24
WORDS = 8


def maps(e, pair):
    sequences = range(2 if pair else 1)
    tokens = range(len(e.ids) + 1)
    return {
        "sequence_of_token": [e.token_to_sequence(i) for i in tokens],
        "chars_of_token": [e.token_to_chars(i) for i in tokens],
        "word_of_token": [e.token_to_word(i) for i in tokens],
        "tokens_of_word": [[e.word_to_tokens(w, s) for w in range(WORDS)] for s in sequences],
        "chars_of_word": [[e.word_to_chars(w, s) for w in range(WORDS)] for s in sequences],
        "token_of_char": [[e.char_to_token(p, s) for p in range(PLACES)] for s in sequences],
        "word_of_char": [[e.char_to_word(p, s) for p in range(PLACES)] for s in sequences],
    }


def main():
    out = {"reference": f"tokenizers {tokenizers.__version__}", "pad": PAD, "examples": []}
    for name in NAMES:
        t = Tokenizer.from_file(f"tokenizers/testdata/{name}.tokenizer.json")
        t.no_padding()
        t.no_truncation()
        for first, second in PAIRS:
            e = t.encode(first, second)
            e.pad(len(e.ids) + PAD)
            out["examples"].append({"tokenizer": name, "first": first, "second": second, **maps(e, second is not None)})
    with open("tokenizers/testdata/reference_maps.json", "w", encoding="utf-8") as f:
        json.dump(out, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


main()
