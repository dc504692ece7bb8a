"""Repeats the loader's order, samples and masks in Python, from the package comments of datasets/loader and stages/mask alone.

    python3 conformance/loader/check.py

needs no packages. It reads the golden files in testdata and exits with 1 where Go and Python differ.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
U64 = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15
MILLION = 1_000_000
IGNORE = -100
MAX_WORD_PREDICTIONS = 512


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & U64
    z = (z ^ z >> 27) * 0x94D049BB133111EB & U64
    return z ^ z >> 31


def new_key(*parts):
    k = len(parts)
    for p in parts:
        k = mix((k + GAMMA & U64) ^ p)
    return k


def at(key, i):
    return mix(key + (i + 1) * GAMMA & U64)


def below(x, n):
    return x * n >> 64


class Permutation:
    def __init__(self, n, seed, epoch):
        self.n = n
        self.half = max(1, ((n - 1).bit_length() + 1) // 2)
        self.keys = [at(new_key(seed, epoch), r) for r in range(6)]

    def __getitem__(self, i):
        while True:
            left, right = i >> self.half, i & (1 << self.half) - 1
            for key in self.keys:
                left, right = right, left ^ at(key ^ right, 0) >> 64 - self.half
            i = left << self.half | right
            if i < self.n:
                return i


class Masker:
    def __init__(self, rate, mask_id, vocab_size, special):
        self.rate, self.mask_id, self.vocab_size = rate, mask_id, vocab_size
        self.special = set(special) | {mask_id}

    def replace(self, token, i, key):
        kind = below(at(key, 3 * i + 1), 10)
        if kind < 8:
            return self.mask_id
        return below(at(key, 3 * i + 2), self.vocab_size) if kind == 8 else token

    def apply(self, ids, chosen, key):
        out = [self.replace(t, i, key) if i in chosen else t for i, t in enumerate(ids)]
        return out, [t if i in chosen else IGNORE for i, t in enumerate(ids)]

    def tokens(self, ids, key):
        chosen = {i for i, t in enumerate(ids) if t not in self.special and below(at(key, 3 * i), MILLION) < self.rate}
        return self.apply(ids, chosen, key)

    def words(self, ids, starts, key):
        words = []
        in_word = False
        for i, t in enumerate(ids):
            if t in self.special:
                in_word = False
            elif in_word and i not in starts:
                words[-1].append(i)
            else:
                words.append([i])
                in_word = True
        left = min(MAX_WORD_PREDICTIONS, max(1, int(round(len(ids) * (self.rate / MILLION)))))
        order, chosen = new_key(key), set()
        for w in range(len(words)):
            pick = w + below(at(order, w), len(words) - w)
            words[w], words[pick] = words[pick], words[w]
            if left == 0:
                break
            if len(words[w]) <= left:
                left -= len(words[w])
                chosen.update(words[w])
        return self.apply(ids, chosen, key)


class Loader:
    """Batches of one process, from a stream of ids and the ends of its documents."""

    def __init__(self, settings, stream, ends):
        s = {e["name"]: e["value"] for e in settings}
        assert s["order version"] == "1" and s["sequential"] == "false"
        self.stream, self.ends = stream, ends
        self.seed, self.batch = int(s["seed"]), int(s["batch sequences"])
        self.mlm, self.boundaries = s["objective"] == "mlm", s["boundaries"] == "true"
        length = int(s["sequence tokens"])
        if self.mlm:
            self.cls, self.sep, mask_id = map(int, s["template"].split())
            special = [int(i) for i in s["special ids"].strip("[]").split()] + [self.cls, self.sep]
            self.masker = Masker(int(s["mask rate"]), mask_id, int(s["vocabulary"]), special)
            self.stride = length - 2
            self.samples = len(stream) // self.stride
        else:
            self.stride = length
            self.samples = (len(stream) - 1) // length

    def sample(self, epoch, i):
        start, end = i * self.stride, (i + 1) * self.stride
        if self.mlm:
            ids = [self.cls] + self.stream[start:end] + [self.sep]
            ids, labels = self.masker.tokens(ids, new_key(self.seed, epoch, i))
        else:
            ids, labels = self.stream[start:end], self.stream[start + 1 : end + 1]
        borders = [len(ids)]
        if self.boundaries:
            inside = [e - start for e in self.ends if start < e <= end]
            if not self.mlm:
                for e in inside:
                    labels[e - 1] = IGNORE
            borders = [e + self.mlm for e in inside if e < self.stride] + borders
        return ids, labels, borders

    def __getitem__(self, step):
        ids, labels, cu_seqlens = [], [], [0]
        for g in range(step * self.batch, (step + 1) * self.batch):
            epoch, slot = divmod(g, self.samples)
            more = self.sample(epoch, Permutation(self.samples, self.seed, epoch)[slot])
            cu_seqlens += [len(ids) + b for b in more[2]]
            ids, labels = ids + more[0], labels + more[1]
        return {"step": step, "ids": ids, "labels": labels, "cu_seqlens": cu_seqlens}


def main():
    failures = 0

    def check(name, ok):
        nonlocal failures
        failures += not ok
        print("ok  " if ok else "FAIL", name)

    p = Permutation(1_000_000_007, 2026, 3)
    golden = (ROOT / "datasets/loader/testdata/permutation.txt").read_text().split()
    check(f"permutation: {len(golden)} indices", len(golden) == 1000 and all(int(v) == p[i] for i, v in enumerate(golden)))

    g = json.loads((ROOT / "stages/mask/testdata/golden.json").read_text())
    o, key = g["options"], new_key(*g["key"])
    masker = Masker(o["RatePPM"], o["MaskID"], o["VocabSize"], o["Special"])
    for name, got in (("tokens", masker.tokens(g["ids"], key)), ("words", masker.words(g["ids"], set(g["starts"]), key))):
        check(f"mask: {name}", got == (g[name]["ids"], g[name]["labels"]))

    g = json.loads((ROOT / "datasets/loader/testdata/batches.json").read_text())
    for run in g["runs"]:
        loader = Loader(run["settings"], g["ids"], g["document_ends"])
        check(f"batches: {run['name']}", run["batches"] != [] and all(loader[b["step"]] == b for b in run["batches"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
