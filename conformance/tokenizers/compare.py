"""Compares package tokenizers with Hugging Face `tokenizers`, text by text: ids, offsets in code points, tokens, word ids, type ids, special
masks, decoded text, pairs, and the ids of plain document text.

    python -m venv /tmp/hf && /tmp/hf/bin/pip install tokenizers
    /tmp/hf/bin/python conformance/tokenizers/compare.py [--data ../shared/data] [--lines 8000] [--corpora] [--record]

Run it from the root of the repository; it builds the two small programs beside it with Go. --corpora adds real texts of 400 languages, novels
and encyclopedia articles. --ingest bin/ingest compares what that command's `tokenizer encode --json` prints instead: ids and offsets. --record writes
what plain `go test` compares with, and with --only leaves the rest of it as it was. Exits 1 where anything differs.
"""

import argparse
import base64
import glob
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import BertWordPieceTokenizer, Tokenizer
from tokenizers.processors import TemplateProcessing

FIELDS = ["ids", "offsets", "tokens", "words", "types", "special", "decoded", "plain", "pair"]
BLOCK = 500  # texts to a recorded digest
STEP = 20  # of the files of udhr2, each STEP-th is recorded
CONVERTED = ["albert-base-v2", "xlnet-base-cased", "mistral-7b-v1"]  # from models of SentencePiece; not recorded
EXAMPLES = [
    "",
    " ",
    "Hello, world! It's the quick brown fox.",
    "  two  spaces\n\nand a paragraph \t",
    "I'll don't we've ''re 'S",
    "naïve café Straße İstanbul e\u0301\u0323",
    "中文 and 日本語、한국어",
    "a [MASK]  <mask> b[CLS] [CLS] [[CLS]] </s> <|endoftext|>x",
    "THE the THEM éT ÉT LAZY lazy",
    "\u200b\u0000x\ufffdy\u0085z",
]


def from_vocab(path, lowercase):
    """The tokenizer.json that goes with a vocab.txt of BERT."""
    tok = BertWordPieceTokenizer(path, lowercase=lowercase)
    ids = [(t, tok.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    tok.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids)
    return tok.to_str()


# The pattern that each list of ranks was made for.
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {
    "tiktoken/cl100k_base": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES,
    "qwen/qwen": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES,
    "tiktoken/o200k_base": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + CONTRACTIONS
    + r"?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + CONTRACTIONS
    + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES,
    "tiktoken/r50k_base": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
}


def from_ranks(path, pattern):
    """The tokenizer.json that goes with a list of ranks of tiktoken: every way to put a token together of two others is a merge of its rank."""
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in open(path) if line.strip())}
    visible = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shown = {b: chr(b) for b in visible} | {b: chr(0x100 + i) for i, b in enumerate(b for b in range(256) if b not in visible)}
    show = lambda token: "".join(shown[b] for b in token)
    merges = []
    for token in sorted(ranks, key=ranks.get):
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += [[show(a), show(b)] for a, b in sorted(pairs, key=lambda p: (ranks[p[0]], ranks[p[1]]))]
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    model = {"type": "BPE", "ignore_merges": True, "vocab": {show(t): r for t, r in ranks.items()}, "merges": merges}
    pre = {"type": "Sequence", "pretokenizers": [split, level]}
    return json.dumps({"version": "1.0", "added_tokens": [], "pre_tokenizer": pre, "model": model, "decoder": {**level, "use_regex": True}})


def varint(data, i):
    value = shift = 0
    while True:
        value |= (data[i] & 0x7F) << shift
        shift += 7
        i += 1
        if data[i - 1] < 0x80:
            return value, i


def message(data):
    """Fields of a protocol buffer: number and value, bytes where it is a length-delimited one or a float."""
    i = 0
    while i < len(data):
        key, i = varint(data, i)
        if key & 7 == 0:
            value, i = varint(data, i)
        else:
            size, i = (4, i) if key & 7 == 5 else varint(data, i)
            value, i = data[i : i + size], i + size
        yield key >> 3, value


def read_spiece(path):
    """Pieces with their scores, and the charsmap, of a model of SentencePiece."""
    pieces, charsmap = [], b""
    for number, value in message(open(path, "rb").read()):
        if number == 1:
            piece = dict(message(value))
            pieces.append((piece[1].decode(), struct.unpack("<f", piece[2])[0]))
        elif number == 3:
            charsmap = dict(message(value)).get(2, b"")
    return pieces, charsmap


def from_spiece_bpe(path):
    """The tokenizer.json that transformers makes of the tokenizer.model of Llama 2 and Mistral."""
    pieces, _ = read_spiece(path)
    ids = {text: i for i, (text, _) in enumerate(pieces)}
    merges = []
    for text, score in pieces:
        cuts = [(text[:i], text[i:], score) for i in range(1, len(text)) if text[:i] in ids and text[i:] in ids]
        merges += sorted(cuts, key=lambda cut: (ids[cut[0]], ids[cut[1]]))
    merges.sort(key=lambda cut: (cut[2], len(cut[0]), len(cut[1])), reverse=True)
    part = lambda kind, **settings: {"type": kind, **settings}
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [dict(id=i, content=t, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for i, t in enumerate(["<unk>", "<s>", "</s>"])],
        "normalizer": None, "pre_tokenizer": part("Metaspace", replacement="▁", prepend_scheme="first", split=False), "post_processor": None,
        "decoder": part("Sequence", decoders=[
            part("Replace", pattern={"String": "▁"}, content=" "), part("ByteFallback"), part("Fuse"), part("Strip", content=" ", start=1, stop=0),
        ]),
        "model": part("BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=True, byte_fallback=True,
                      ignore_merges=False, vocab=ids, merges=[list(cut[:2]) for cut in merges]),
    })


def from_spiece(path, lowercase):
    """The tokenizer.json that transformers makes of the spiece.model of ALBERT and XLNet."""
    pieces, charsmap = read_spiece(path)
    vocab = [[text, score - 100 if len(text) > 1 and text[-1] == "," and text[-2].isdigit() else score] for text, score in pieces]
    ids = {text: i for i, (text, _) in enumerate(vocab)}
    added = [t for t in ("<unk>", "<s>", "</s>", "<pad>", "[CLS]", "[SEP]", "[MASK]", "<cls>", "<sep>", "<mask>") if t in ids]
    meta = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    quotes = [{"type": "Replace", "pattern": {"String": q}, "content": '"'} for q in ("``", "\'\'")]
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [dict(id=ids[t], content=t, single_word=False, lstrip="mask" in t.lower(), rstrip=False, normalized=False, special=True) for t in sorted(added, key=ids.get)],
        "normalizer": {"type": "Sequence", "normalizers": quotes + [{"type": "NFKD"}, {"type": "StripAccents"}] + [{"type": "Lowercase"}] * lowercase + [
            {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
        ]},
        "pre_tokenizer": meta, "post_processor": None, "decoder": meta,
        "model": {"type": "Unigram", "unk_id": ids["<unk>"], "vocab": vocab, "byte_fallback": False},
    })


def load_all(data, folder):
    """Path of a tokenizer.json by name."""
    found = {}
    for name in ["gpt2", "roberta-base", "bert-base-uncased", "distilbert-base-uncased", "all-MiniLM-L6-v2", "llama-3-8b-instruct", "t5-base", "llama-2"]:
        found[name] = f"{data}/tokenizers/{name}/tokenizer.json"
    for name, lowercase in [("bert-base-cased", False), ("bert-base-chinese", False), ("bert-base-multilingual-cased", False)]:
        found[name] = f"{folder}/{name}.json"
        with open(found[name], "w") as f:
            f.write(from_vocab(f"{data}/tokenizers/{name}/vocab.txt", lowercase))
    for name, pattern in PATTERNS.items():
        short = os.path.basename(name)
        found[f"{short} ranks"] = f"{folder}/{short}.json"
        with open(found[f"{short} ranks"], "w") as f:
            f.write(from_ranks(f"{data}/tokenizers/{name}.tiktoken", pattern))
    for name in CONVERTED:
        found[name] = f"{folder}/{name}.json"
        with open(found[name], "w") as f:
            if name == "mistral-7b-v1":
                f.write(from_spiece_bpe(f"{data}/tokenizers/{name}/tokenizer.model"))
            else:
                f.write(from_spiece(f"{data}/tokenizers/{name}/spiece.model", name == "albert-base-v2"))
    for path in sorted(glob.glob("tokenizers/testdata/*.tokenizer.json")):
        found[os.path.basename(path)] = path
    return found


def reference(path, texts):
    tok = Tokenizer.from_file(path)
    tok.no_truncation()
    tok.no_padding()
    before = ""
    for text in texts:
        tok.encode_special_tokens = False
        e, p = tok.encode(text), tok.encode(before, text)
        before = text
        tok.encode_special_tokens = True
        plain = tok.encode(text, add_special_tokens=False).ids
        yield {
            "ids": e.ids,
            "offsets": [list(o) for o in e.offsets],
            "tokens": e.tokens,
            "words": [-1 if w is None else w for w in e.word_ids],
            "types": e.type_ids,
            "special": [m == 1 for m in e.special_tokens_mask],
            "decoded": tok.decode(e.ids),
            "plain": plain,
            "pair": {
                "ids": p.ids,
                "types": p.type_ids,
                "sequences": [-1 if s is None else s for s in p.sequence_ids],
                "special": [m == 1 for m in p.special_tokens_mask],
            },
        }


def ours(command, lines):
    with subprocess.Popen(command, stdin=open(lines), stdout=subprocess.PIPE) as p:
        for line in p.stdout:
            yield json.loads(line)
    if p.returncode:
        sys.exit(f"{' '.join(command)} exited with {p.returncode}")


def without_null(value):
    """JSON as Go writes it, with [] for a slice that is nil."""
    if isinstance(value, dict):
        return {k: without_null(v) for k, v in value.items()}
    return [] if value is None else value


def digests(results):
    """One digest for each block of results, over ids and offsets, as the Go test computes it."""
    out, h = [], hashlib.sha256()
    for i, r in enumerate(results):
        numbers = r["ids"] + [n for o in r["offsets"] for n in o]
        h.update((" ".join(map(str, numbers)) + "\n").encode())
        if (i + 1) % BLOCK == 0 or i + 1 == len(results):
            out.append(h.hexdigest()[:16])
            h = hashlib.sha256()
    return out


def languages(data, step):
    """Lines of every step-th file of udhr2."""
    texts = []
    for path in sorted(glob.glob(f"{data}/corpora/multilingual/udhr2/*.txt"))[::step]:
        texts += open(path, encoding="utf-8", newline="").read().split("\n")
    return texts


def corpora(data):
    texts = languages(data, 1)
    texts.append(open(f"{data}/corpora/tinyshakespeare.txt").read())
    for path in sorted(glob.glob(f"{data}/corpora/wikitext-2/*.txt")):
        texts += open(path, encoding="utf-8", newline="").read().split("\n")
    for path in sorted(glob.glob(f"{data}/corpora/code/*.jsonl")):
        texts += open(path, encoding="utf-8", newline="").read().split("\n")
    return texts


def example(path, texts):
    """Everything the reference says of a few texts, for people to read and tests to compare."""
    chosen = EXAMPLES + texts[600 : len(texts) : len(texts) // 3]
    return {"tokenizer": os.path.basename(path), "texts": chosen, "results": list(reference(path, chosen))}


def write(name, value):
    with open(f"tokenizers/testdata/{name}", "w") as f:
        if isinstance(value, list):
            f.write("[\n" + ",\n".join(json.dumps(v, ensure_ascii=False) for v in value) + "\n]\n")
        else:
            f.write(json.dumps(value, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--lines", type=int, default=8000)
    parser.add_argument("--corpora", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--only", default="", help="part of a tokenizer's name")
    parser.add_argument("--ingest", help="the ingest command to compare")
    args = parser.parse_args()
    fields = FIELDS[:2] if args.ingest else FIELDS
    print(f"reference: tokenizers {tokenizers.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.check_call(["go", "build", "-o", folder + "/", "./conformance/tokenizers/lines", "./conformance/tokenizers/encode"])
        generated = subprocess.check_output([f"{folder}/lines", "-n", str(args.lines)]).decode().strip("\n").split("\n")
        texts = [json.loads(line)["text"] for line in generated]
        if args.corpora:
            texts += corpora(args.data)
        with open(f"{folder}/texts", "w") as f:
            for text in texts:
                f.write(json.dumps({"text": text}) + "\n")
        print(f"{len(texts)} texts, {sum(len(t.encode()) for t in texts) / 1e6:.1f} MB")
        differ, recorded = 0, {"reference": tokenizers.__version__, "lines": args.lines, "step": STEP, "block": BLOCK, "rough": {}, "languages": {}}
        if args.record and args.only:
            recorded = {**json.load(open("tokenizers/testdata/reference_digests.json")), "reference": tokenizers.__version__}
            assert (args.lines, STEP, BLOCK) == (recorded["lines"], recorded["step"], recorded["block"])
        for name, path in load_all(args.data, folder).items():
            if args.only not in name:
                continue
            equal, kept = dict.fromkeys(fields, 0), []
            command = [args.ingest, "tokenizer", "encode", "--json", "--tokenizer", path] if args.ingest else [f"{folder}/encode", path]
            for text, want, got in zip(texts, reference(path, texts), ours(command, f"{folder}/texts"), strict=True):
                kept.append({"ids": want["ids"], "offsets": want["offsets"]})
                for field in fields:
                    if without_null(got[field]) == want[field]:
                        equal[field] += 1
                        continue
                    differ += 1
                    if differ <= 20:
                        print(f"DIFFERS {name} {field} {text[:300]!r}\n  want {str(want[field])[:600]}\n  got  {str(got[field])[:600]}")
            print(f"{name:34}" + "  ".join(f"{field} {equal[field]}/{len(texts)}" for field in fields))
            derived = name in CONVERTED or name.endswith("ranks")
            if args.record and not derived:
                recorded["rough"][name] = digests(kept[: args.lines])
            if args.record and not derived and not name.endswith(".json"):
                recorded["languages"][name] = digests(list(reference(path, languages(args.data, STEP))))
        if args.record:
            write("reference_digests.json", recorded)
            write("reference_examples.json", [example(path, texts) for path in sorted(glob.glob("tokenizers/testdata/*.tokenizer.json"))])
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
