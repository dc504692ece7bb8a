"""Compares training of package tokenizers with Hugging Face `tokenizers` on the same texts: BPE merge lists must be equal, in order.

WordPiece of the reference gives the ids of its characters in the order of a randomly seeded hash table, and breaks ties by id: it differs from
itself from run to run. It is compared with itself too, and must be as near to ours as to itself.

    /tmp/hf/bin/python conformance/tokenizers/compare_training.py [--data ../shared/data]
"""

import argparse
import glob
import json
import subprocess
import sys
import tempfile
import time

import tokenizers
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer, Tokenizer


def rough(n):
    lines = subprocess.check_output(["go", "run", "./conformance/tokenizers/lines", "-n", str(n)]).decode().strip("\n").split("\n")
    return [json.loads(line)["text"] for line in lines]


def corpora(data):
    yield "tinyshakespeare", [open(f"{data}/corpora/tinyshakespeare.txt").read()], 5000
    languages = sorted(glob.glob(f"{data}/corpora/multilingual/udhr2/*.txt"))[::7]
    yield "udhr2", [open(p, encoding="utf-8", errors="replace", newline="").read() for p in languages], 12000
    articles = [open(p, encoding="utf-8", newline="").read().split("\n") for p in sorted(glob.glob(f"{data}/corpora/wikitext-2/*.txt"))]
    yield "wikitext-2", sum(articles, []), 20000
    yield "rough", rough(4000), 4000
    yield "repeats", ["aaaa aaa aa aaaaaaa abab ababab bababa aabb aabbaabb"] * 9 + ["abcabc abcab bcabca aaaabaaaab"] * 7, 300


def merges_of(tok):
    return [m if isinstance(m, str) else " ".join(m) for m in json.loads(tok.to_str())["model"]["merges"]]


def train_ours(program, model, size, lowercase, lines):
    flags = ["--model", model, "--vocab-size", str(size)] + (["--lowercase"] if lowercase else [])
    start = time.perf_counter()
    out = subprocess.check_output([program, *flags], stdin=open(lines)).decode()
    return Tokenizer.from_str(out), time.perf_counter() - start


def reference_wordpiece(texts, size):
    tok = BertWordPieceTokenizer(lowercase=True)
    start = time.perf_counter()
    tok.train_from_iterator(texts, vocab_size=size, show_progress=False)
    return set(tok.get_vocab()), time.perf_counter() - start


def record():
    """What plain go test compares with: merges on rough texts, and a WordPiece vocabulary on words whose counts leave no ties to break."""
    texts = rough(1200)[512:]
    tok = ByteLevelBPETokenizer()
    tok.train_from_iterator(texts, vocab_size=500, special_tokens=["<|endoftext|>"], show_progress=False)
    words = "banana bandana Ananas cabana Havana savanna nirvana cabbage baggage package".split()
    counted = {w: 3**k + 40 for k, w in enumerate(words)}
    counted_texts = [" ".join([w] * n) for w, n in counted.items()]
    vocabularies = [sorted(reference_wordpiece(counted_texts, 60)[0]) for _ in range(8)]
    assert all(v == vocabularies[0] for v in vocabularies), "the reference broke ties"
    with open("tokenizers/testdata/reference_training.json", "w") as f:
        value = {"reference": tokenizers.__version__, "merges": merges_of(tok), "words": counted, "vocabulary": vocabularies[0]}
        json.dump(value, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--record", action="store_true", help="write what plain go test compares with, and stop")
    args = parser.parse_args()
    if args.record:
        record()
        return
    print(f"reference: tokenizers {tokenizers.__version__}")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        subprocess.check_call(["go", "build", "-o", folder + "/", "./conformance/tokenizers/train"])
        for name, texts, size in corpora(args.data):
            with open(f"{folder}/texts", "w") as f:
                for text in texts:
                    f.write(json.dumps({"text": text}) + "\n")
            want = ByteLevelBPETokenizer()
            start = time.perf_counter()
            want.train_from_iterator(texts, vocab_size=size, special_tokens=["<|endoftext|>"], show_progress=False)
            seconds = time.perf_counter() - start
            got, our_seconds = train_ours(f"{folder}/train", "bpe", size, False, f"{folder}/texts")
            a, b = merges_of(want), merges_of(got)
            equal = a == b and want.get_vocab() == got.get_vocab()
            failed |= not equal
            first = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            print(f"{name:16} bpe        {len(a)} merges, {'equal' if equal else f'DIFFER at {first}: {a[first:first+3]} {b[first:first+3]}'}"
                  f"  reference {seconds:.2f} s, ours {our_seconds:.2f} s")
            ours, our_seconds = train_ours(f"{folder}/train", "wordpiece", size, True, f"{folder}/texts")
            ours = set(ours.get_vocab())
            runs = [reference_wordpiece(texts, size) for _ in range(4)]
            apart = [len(x ^ y) // 2 for i, (x, _) in enumerate(runs) for y, _ in runs[:i]]
            from_ours = [len(x ^ ours) // 2 for x, _ in runs]
            near = min(from_ours) <= max(apart) and len(ours) == len(runs[0][0])
            failed |= not near
            print(f"{name:16} wordpiece  {len(ours)} tokens, {max(from_ours)} at most not in the reference's, which differs from itself by up to {max(apart)}"
                  f"{'' if near else '  TOO FAR'}  reference {runs[0][1]:.2f} s, ours {our_seconds:.2f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
