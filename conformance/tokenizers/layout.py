"""Writes what the reference makes of batches with random settings of truncation and padding: single texts and pairs, some cut into words, windows included. One digest for
each case.

    /tmp/hf/bin/python conformance/tokenizers/layout.py                          # tokenizers/testdata/reference_layout.json
    /tmp/hf/bin/python conformance/tokenizers/layout.py --cases 20000 --seed 7 --out /tmp/layout.json
    go test ./tokenizers -run TestReferenceLayout -layout /tmp/layout.json       # more cases, other seeds
"""

import argparse
import hashlib
import json
import os
import random
import subprocess

import tokenizers
from tokenizers import Tokenizer

FOLDER = "tokenizers/testdata"
NAMES = ["bpe", "bpe_roberta", "bpe_one_word", "bpe_dropped", "bpe_shown", "wordpiece", "wordpiece_accents", "unigram", "unigram_whole"]
LINES = (512, 900)  # of roughtext: the earlier ones are long
LONGEST = 150  # bytes of a text, so that pairs of windows stay few
STRATEGIES = {"longest_first": "LongestFirst", "only_first": "OnlyFirst", "only_second": "OnlySecond"}


def flat(e):
    """One line for an encoding, and one for each of its windows."""
    yield e
    yield from e.overflowing


def digest(encodings, sequences):
    h = hashlib.sha256()
    for e in encodings:
        for w in flat(e):
            number = lambda values: " ".join("-1" if v is None else str(int(v)) for v in values)
            fields = [number(w.ids), number(w.type_ids), number(n for o in w.offsets for n in o), number(w.word_ids),
                      number(w.sequence_ids) if sequences else "", number(w.special_tokens_mask), number(w.attention_mask), "\x00".join(w.tokens)]
            h.update("\x01".join(fields).encode() + b"\n")
        h.update(b"\n")
    return h.hexdigest()[:16]


def settings(r, tok, pairs):
    """Random settings that the reference takes."""
    truncate = pad = None
    if r.random() < 0.85:
        strategy = r.choice(["longest_first", "longest_first", *STRATEGIES][: 5 if pairs else 4])
        longest = r.choice([r.randrange(4, 12), r.randrange(4, 40), r.randrange(4, 200)])
        stride = r.choice([0, 0, 1, r.randrange(0, 6), r.randrange(0, longest)])
        truncate = {"max": longest, "strategy": STRATEGIES[strategy], "stride": stride, "left": r.random() < 0.5}
        try:
            tok.enable_truncation(longest, stride=stride, strategy=strategy, direction="left" if truncate["left"] else "right")
        except BaseException:
            return settings(r, tok, pairs)
    else:
        tok.no_truncation()
    if r.random() < 0.7:
        pad = {
            "tokens": r.choice([0, 0, r.randrange(1, 60)]), "multiple": r.choice([0, 0, 1, 8, r.randrange(1, 30)]), "left": r.random() < 0.5,
            "id": r.randrange(500), "type": r.randrange(4), "token": r.choice(["[PAD]", "<pad>", ""]),
        }
        tok.enable_padding(direction="left" if pad["left"] else "right", pad_id=pad["id"], pad_type_id=pad["type"], pad_token=pad["token"],
                           length=pad["tokens"] or None, pad_to_multiple_of=pad["multiple"] or None)
    else:
        tok.no_padding()
    return truncate, pad


def case(r, loaded, texts):
    name = r.choice(NAMES)
    tok = loaded[name]
    batch = [r.sample(range(len(texts)), r.choice([1, 2])) for _ in range(r.choice([1, 1, 2, 3]))]
    truncate, pad = settings(r, tok, all(len(b) == 2 for b in batch))
    special = r.random() < 0.7
    words = r.random() < 0.25
    part = lambda text: text.split(" ") if words else text
    inputs = [tuple(part(texts[i]) for i in b) if len(b) == 2 else part(texts[b[0]]) for b in batch]
    try:
        result = digest(tok.encode_batch(inputs, is_pretokenized=words, add_special_tokens=special), name not in ("bpe_dropped",))
    except BaseException:  # a panic is no Exception
        result = "error"
    return {"tokenizer": name, "batch": batch, "words": words, "special": special, "truncate": truncate, "pad": pad, "digest": result}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default=f"{FOLDER}/reference_layout.json")
    args = parser.parse_args()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where panics report themselves
    lines = subprocess.check_output(["go", "run", "./conformance/tokenizers/lines", "-n", str(LINES[1])]).decode().strip("\n").split("\n")
    texts = [t for t in (json.loads(line)["text"] for line in lines[LINES[0] :]) if len(t.encode()) <= LONGEST]
    loaded = {name: Tokenizer.from_file(f"{FOLDER}/{name}.tokenizer.json") for name in NAMES}
    r = random.Random(args.seed)
    cases = [case(r, loaded, texts) for _ in range(args.cases)]
    with open(args.out, "w") as f:
        head = {"reference": tokenizers.__version__, "first": LINES[0], "lines": LINES[1], "longest": LONGEST}
        f.write(json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
