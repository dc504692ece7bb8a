"""Compares package tokenizers with Hugging Face `tokenizers` on 50 MB of real and rough text for each kind of tokenizer: ids, offsets in code points, word ids, type
ids, special and attention masks and tokens, as one digest for each document.

    /tmp/hf/bin/python conformance/tokenizers/compare_large.py [--data ../shared/data] [--megabytes 50] [--only gpt2]

Run it from the root of the repository; it builds the small programs beside it with Go. Needs the packages tokenizers, numpy and zstandard. Where a document differs it
shows the field, and the first place in it. Exits 1 then.
"""

import argparse
import hashlib
import itertools
import json
import subprocess
import sys
import tempfile
import time

import numpy as np
from tokenizers import Tokenizer

import compare
import corpora

FAMILIES = {
    "byte-level BPE": ["gpt2", "llama-3-8b-instruct", "qwen ranks", "o200k_base ranks"],
    "WordPiece": ["bert-base-uncased"],
    "Unigram": ["t5-base", "albert-base-v2"],
    "SentencePiece BPE": ["llama-2"],
}
# Of each source so many documents of every step, and how much of the whole they are.
SOURCES = [(corpora.english, 3), (corpora.code, 4), (corpora.web, 1), (corpora.languages, 1), (corpora.questions, 1), (corpora.wikitext, 2), (corpora.french, 3)]
ROUGH_LINES = 40000
BATCH = 256  # documents given to the reference at once
SHOWN = 3  # documents that differ


def documents(folder, data, size):
    """The same documents each time: the sources side by side, and rough texts in between, up to size bytes."""
    generated = subprocess.Popen([f"{folder}/lines", "-n", str(ROUGH_LINES)], stdout=subprocess.PIPE, text=True)
    rough = (json.loads(line)["text"] for line in generated.stdout)
    groups = ("\n".join(group) for group in iter(lambda: list(itertools.islice(rough, 4)), []))
    streams = [itertools.islice(source(data), 0, None, step) for source, step in SOURCES] + [groups, itertools.islice(corpora.english_novels(data), 1, 4)]
    kept, total = [], 0
    while streams and total < size:
        for stream in list(streams):
            doc = next(stream, None)
            if doc is None:
                streams.remove(stream)
            elif doc := doc.replace("\0", " "):
                kept.append(doc)
                total += len(doc.encode())
    generated.stdout.close()
    generated.wait()
    return kept, total


def numbers(values):
    return np.asarray(values, dtype=np.int64).astype("<u4").tobytes()


def digest(e):
    """As conformance/tokenizers/digest computes it."""
    h = hashlib.sha256(numbers([len(e.ids)]) + numbers(e.ids) + numbers(e.offsets))
    h.update(numbers([-1 if w is None else w for w in e.word_ids]) + numbers(e.type_ids))
    h.update(numbers(e.special_tokens_mask) + numbers(e.attention_mask))
    h.update("".join(t + "\0" for t in e.tokens).encode())
    return h.hexdigest()[:16]


def show(folder, path, doc):
    """Prints where everything that is said of a document first differs."""
    with open(f"{folder}/one", "w") as f:
        f.write(json.dumps({"text": doc}) + "\n")
    want, got = next(compare.reference(path, [doc])), next(compare.ours([f"{folder}/encode", path], f"{folder}/one"))
    for name in ("ids", "tokens", "offsets", "words", "types", "special"):
        a, b = want[name], compare.without_null(got[name])
        if a != b:
            i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            at = want["offsets"][min(i, len(want["offsets"]) - 1)][0]
            print(f"  {name} from token {i} on, in {doc[max(0, at - 40) : at + 40]!r}\n    want {a[max(0, i - 2) : i + 6]}\n    got  {b[max(0, i - 2) : i + 6]}")
            return
    print("  ids without special tokens, or nothing when asked alone")


def compare_one(folder, name, path, docs):
    """Returns the number of documents that differ."""
    tok = Tokenizer.from_file(path)
    tok.no_truncation()
    tok.no_padding()
    differ, tokens, start = 0, 0, time.process_time()
    batches = (docs[i : i + BATCH] for i in range(0, len(docs), BATCH))
    said = (pair for batch in batches for pair in zip(batch, tok.encode_batch(batch)))
    with subprocess.Popen([f"{folder}/digest", path, f"{folder}/documents"], stdout=subprocess.PIPE, text=True) as ours:
        for i, ((doc, e), got) in enumerate(zip(said, ours.stdout)):
            tokens += len(e)
            if got.strip() != digest(e):
                differ += 1
                if differ <= SHOWN:
                    print(f"DIFFERS {name}, document {i}")
                    show(folder, path, doc)
    if ours.returncode or i + 1 < len(docs):
        sys.exit(f"digest exited with {ours.returncode} after {i + 1} of {len(docs)} documents")
    print(f"{name:30} {len(docs) - differ}/{len(docs)} documents equal, {tokens:,} tokens, {time.process_time() - start:.0f} s of the reference", flush=True)
    return differ


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--only", default="", help="part of a tokenizer's name")
    args = parser.parse_args()
    differ = 0
    with tempfile.TemporaryDirectory() as folder:
        programs = [f"./conformance/tokenizers/{p}" for p in ("digest", "encode", "lines")]
        subprocess.check_call(["go", "build", "-o", folder + "/", *programs])
        docs, total = documents(folder, args.data, args.megabytes * 1e6)
        with open(f"{folder}/documents", "wb") as f:
            f.write(b"\0".join(d.encode() for d in docs))
        print(f"reference: tokenizers {compare.tokenizers.__version__}; {len(docs)} documents, {total / 1e6:.1f} MB")
        known = compare.load_all(args.data, folder)
        for family, names in FAMILIES.items():
            for name in names:
                if args.only in name:
                    differ += compare_one(folder, f"{family}: {name}", known[name], docs)
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
