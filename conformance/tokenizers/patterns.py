"""Compares how package tokenizers and Hugging Face `tokenizers` cut texts at the matches of each pattern of a file, for patterns that are published with
tokenizers and are not ours to keep.

    /tmp/hf/bin/python conformance/tokenizers/patterns.py patterns.json [--lines 1500]

The file is a list of patterns, or an object whose "patterns" is a list of patterns or of objects with a "pattern". Run it from the root of the repository;
it builds the two small programs beside it with Go. Patterns that are refused are listed. Exits 1 where a cut differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

from splits import LONGEST, TEXTS

BEHAVIORS = [("Isolated", False), ("Removed", True)]


def read_patterns(path):
    with open(path) as f:
        listed = json.load(f)
    listed = listed["patterns"] if isinstance(listed, dict) else listed
    return list(dict.fromkeys(p if isinstance(p, str) else p["pattern"] for p in listed))


def splitting(pattern, behavior, invert):
    """A tokenizer of which each word is one unknown token, so that its offsets are those of the words."""
    return json.dumps({
        "version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None, "decoder": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert},
        "model": {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"},
    })


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("patterns")
    parser.add_argument("--lines", type=int, default=1500)
    args = parser.parse_args()
    folder = tempfile.mkdtemp()
    for program in ("lines", "encode"):
        subprocess.run(["go", "build", "-o", f"{folder}/{program}", f"./conformance/tokenizers/{program}"], check=True)
    rough = subprocess.check_output([f"{folder}/lines", "-n", str(args.lines)]).decode().strip("\n").split("\n")
    texts = TEXTS + [t for t in (json.loads(line)["text"] for line in rough) if len(t.encode()) <= LONGEST]
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts).encode()
    patterns = read_patterns(args.patterns)
    refused = unread = differing = 0
    for pattern in patterns:
        for behavior, invert in BEHAVIORS:
            path = os.path.join(folder, "tokenizer.json")
            with open(path, "w") as f:
                f.write(splitting(pattern, behavior, invert))
            ours = subprocess.run([f"{folder}/encode", path], input=lines, capture_output=True)
            try:
                reference = Tokenizer.from_file(path)
            except Exception as err:  # the reference has no type of its own for it
                unread += 1
                print(f"the reference refuses {pattern!r}: {err}" + ("" if ours.returncode else "; ours does not"))
                break
            if ours.returncode != 0:
                refused += 1
                print(f"refused: {pattern!r}\n    {ours.stderr.decode().strip()}")
                break
            theirs = [e.offsets for e in reference.encode_batch(texts)]
            got = [[tuple(o) for o in json.loads(line)["offsets"]] for line in ours.stdout.splitlines()]
            bad = [i for i, t in enumerate(texts) if got[i] != theirs[i]]
            if bad:
                differing += 1
                i = bad[0]
                cut = lambda spans: [texts[i][a:b] for a, b in spans]
                print(f"differs on {len(bad)} of {len(texts)} texts: {pattern!r} {behavior}\n    {cut(got[i])}\n    {cut(theirs[i])}")
                break
    print(f"{len(patterns)} patterns on {len(texts)} texts: {differing} cut differently, {refused} refused, {unread} that the reference refuses")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
